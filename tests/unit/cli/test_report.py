"""`spanline report`: a page of any answers, of two runs with their verdict, of the pipeline with its commit."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from spanline.common.errors import SpanlineError
from tests.make.reported import make_run, write_answers


def report(folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    from spanline.cli import main

    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["spanline", "report", *arguments])
    main.main()
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    examples = make_run(folder)
    write_answers(folder / "other/answers", examples, seed=2)
    return folder


def test_of_the_pipeline_here_names_its_commit(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in (["init", "-q"], ["add", "params.yaml"], ["commit", "-qm", "x"]):
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", *identity, *command], cwd=project, check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project, capture_output=True, text=True).stdout.strip()
    assert f"<dt>commit</dt><dd>{commit}</dd>" in report(project, monkeypatch)


def test_of_a_model_that_was_not_trained_and_without_calibration(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with train.epochs 0 and download.calibration_fraction 0: what is not there is left out, or said."""
    path = project / "metrics/train.json"
    before = path.read_text()
    path.write_text(json.dumps({**json.loads(before), "steps": 0, "epochs": 0.0, "features": 0, "final_loss": None}))
    history = (project / "metrics/train_history.csv").read_text()
    for name in ("train_history.csv", "train_epochs.csv"):
        (project / "metrics" / name).write_text(history.splitlines()[0] + "\n")
    html = report(project, monkeypatch)
    assert "none: the checkpoint's model as it is" in html
    assert 'id="plot-loss"' not in html
    assert 'id="plot-calibration_split"' not in html
    path.write_text(before)


def test_of_two_runs_has_the_verdict_of_compare(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    html = report(project, monkeypatch, "data/answers", "other/answers", "--title", "old <against> new")
    assert "<title>old &lt;against&gt; new</title>" in html
    assert '<p class="says">' in html
    assert "39 questions from 4 articles" in html


def test_of_two_runs_draws_both_on_the_same_axes(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A's curves are where the page of A alone has them, but for what the axes must make room for; B's are dashed."""
    one = report(project, monkeypatch, "data/answers")
    two = report(project, monkeypatch, "data/answers", "other/answers")
    swapped = report(project, monkeypatch, "other/answers", "data/answers")
    for name, curves in (
        ("scores_by_threshold", 4),
        ("precision_recall", 3),
        ("reliability", 1),
        ("score_differences", 2),
    ):
        assert figure(two, name).count(' b"') == curves
        assert ' b"' not in figure(one, name)
        assert figure(two, name) != figure(swapped, name)
    for number in range(3):  # precision and recall have the same axes in every page
        path = re.search(rf'class="line c{number}" (d="[^"]+")', figure(one, "precision_recall"))
        assert path is not None
        assert f'class="line c{number}" {path[1]}' in figure(two, "precision_recall")
        assert f'class="line c{number} b" {path[1]}' in figure(swapped, "precision_recall")


def figure(html: str, name: str) -> str:
    return html.partition(f'<figure id="plot-{name}">')[2].partition("</figure>")[0]


def test_three_runs_are_one_line(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SpanlineError, match="got 3 runs; give one, or two to compare"):
        report(project, monkeypatch, "a", "b", "c")

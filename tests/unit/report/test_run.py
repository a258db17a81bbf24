"""The page: one file with a policy that names its own script by hash, whose texts are escaped; figures of the files."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest

from spanline.report import overview, questions, run
from spanline.report.overview import Facts
from tests.make.project import tiny_examples
from tests.make.reported import make_run


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    make_run(folder)
    return folder


def facts_of(project: Path) -> Facts:
    shown = ("featurize", "train", "postprocess")
    return Facts.read(project / "params.yaml", shown, project / "data/squad", project / "metrics")


def page_of(project: Path, verdict: str = "") -> str:
    examples, facts = tiny_examples(), facts_of(project)
    answered = questions.read_run(project / "data/answers", "validation", examples)
    return run.page(
        examples, [answered], facts, {**run.about(facts, "<commit>"), "verdict": verdict, "comparison": verdict}
    )


def test_the_policy_names_the_only_script_and_the_only_style(project: Path) -> None:
    html = page_of(project)
    for tag, kind in (("script", "script-src"), ("style", "style-src")):
        [text] = re.findall(rf"<{tag}>(.*?)</{tag}>", html, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}';".replace("'", "&#39;") in html
    assert html.count("<script") == html.count("<style") == 1
    assert "default-src &#39;none&#39;" in html
    assert not re.search(r"""\s(?:src|style|on\w+)\s*=""", re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL))
    assert not re.search(r"(?:href|url\()\W*(?:https?:)?//", html)


def test_the_script_makes_no_markup_of_texts() -> None:
    script = (overview.PAGE / "page.js").read_text(encoding="utf-8")
    for name in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "Function(", "DOMParser", "</"):
        assert name not in script


def test_texts_are_escaped(project: Path) -> None:
    html = page_of(project, verdict='<b>& "so"')
    assert "&lt;b&gt;&amp; &#34;so&#34;" in html
    assert "&lt;commit&gt;" in html
    assert "<b>&" not in html


def test_scores_and_figures_are_those_of_the_files(project: Path) -> None:
    html, facts = page_of(project), facts_of(project)
    assert f"<strong>{facts.scores['answers']['exact']:.1f}</strong>" in html
    assert re.findall(r'<figure id="plot-(\w+)">', html) == [
        "loss", "calibration_split", "scores_by_threshold", "precision_recall", "reliability", "score_differences",
    ]  # fmt: skip
    rows = facts.tables["metrics/slices.csv"]
    assert html.count('<rect class="bar"') == len(rows)
    assert f"git log -S {facts.scores_md5}" not in html  # where the commit is known, it is named


def test_what_differs_is_listed_without_paths_and_unread_sources() -> None:
    params = {
        "download": {"source": "files", "seed": 17, "files": {"train": {"path": "/home/me/secret/train.json?token=1"}}},
        "train": {"epochs": 3.0, "learning_rate": 2.0e-4, "compile": True},
    }
    found = {key: (value, usual) for key, value, usual in overview.differences(params)}
    assert found["train.epochs"] == ("3.0", "1.0")
    assert found["train.compile"] == ("true", "false")
    assert found["download.files.train.path"][0] == "train.json"
    assert "train.learning_rate" not in found
    assert "download.seed" not in found
    hub = {"download": {"source": "synthetic", "hub": {"name": "another"}}}
    assert [key for key, _, _ in overview.differences(hub)] == []


@pytest.mark.parametrize(
    ("error", "words"), [(0.01, "is close"), (0.05, "is roughly right"), (0.2, "is not to be trusted")]
)
def test_the_sentence_on_calibration(error: float, words: str) -> None:
    scores = {
        "no_answer_probability": {"expected_calibration_error": error, "brier_score": 0.1},
        "at_oracle_threshold": {"f1": 79.0, "f1_reached": 80.0},
        "answers": {"f1": 79.5},
    }
    text = overview.calibration_sentence(scores)
    assert words in text
    assert text.endswith("The best threshold for these very questions would have given 0.50 more F1.")
    scores["answers"] = {"f1": 80.25}
    assert overview.calibration_sentence(scores).endswith("No other threshold would have given a higher F1 here.")

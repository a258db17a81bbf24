"""The report stage as the shell sees it: one file, the same bytes each time, and mistakes in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from spanline.common import files
from tests.make.project import files_of, run_stage
from tests.make.reported import OPTIONS, make_run, write_answers


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    make_run(folder)
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "project"))


def refused(folder: Path) -> str:
    """The one line of a run that the stage refuses; it leaves no file behind."""
    before = files_of(folder)
    code, lines = run_stage(folder, "report", *OPTIONS.split())
    assert (code, len(lines)) == (1, 1), lines
    assert files_of(folder) == before
    return lines[0]


def test_leaves_one_page_the_same_bytes_each_time(project: Path) -> None:
    before, hashes = files_of(project), []
    for _ in range(2):
        code, lines = run_stage(project, "report", *OPTIONS.split())
        assert code == 0, lines
        hashes.append(files.sha256(project / "data/report/index.html"))
    assert lines[0].startswith("data/report/index.html: 39 questions, 0.")
    assert lines[1].startswith("done in ")
    assert files_of(project) - before == {"data/report/index.html"}
    assert hashes[0] == hashes[1]


def test_the_page_names_no_path_and_no_machine(project: Path) -> None:
    assert run_stage(project, "report", *OPTIONS.split())[0] == 0
    assert str(project) not in (project / "data/report/index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    ["data/answers/nbest.json", "data/squad/statistics.json", "metrics/train_history.csv", "metrics/scores.json"],
)
def test_a_missing_file_is_one_line(project: Path, name: str) -> None:
    (project / name).unlink()
    assert refused(project).startswith(f"error: {name}: there is no such file; run the stage that makes it: dvc repro")


def test_an_n_best_list_of_another_run_is_one_line(project: Path, tmp_path: Path) -> None:
    from tests.make.project import tiny_examples

    write_answers(tmp_path / "other", tiny_examples(), seed=2)
    shutil.copy(tmp_path / "other/nbest.json", project / "data/answers/nbest.json")
    line = refused(project)
    assert line.startswith("error: data/answers/nbest.json: its best span of question ")
    assert line.endswith("is not that of best_spans.json; make it anew: dvc repro -s -f postprocess")


def test_half_an_n_best_list_is_one_line(project: Path) -> None:
    path = project / "data/answers/nbest.json"
    path.write_text(path.read_text()[:2000])
    assert "data/answers/nbest.json: has not one question per line" in refused(project)


def test_a_question_less_is_one_line(project: Path) -> None:
    path = project / "data/answers/nbest.json"
    content = json.loads(path.read_text())
    content.popitem()
    lines = ",\n".join(f"{json.dumps(qid)}: {json.dumps(entries)}" for qid, entries in content.items())
    path.write_text(f"{{\n{lines}\n}}\n")
    assert "it lacks 1 of them" in refused(project)

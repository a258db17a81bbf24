"""`spanline compare` and `spanline summary` as the shell sees them: same bytes, exit codes, errors of one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spanline.synthetic.corpus import examples as corpus
from tests.make.perturbed import mended, perturbed
from tests.paths import ROOT

EXAMPLES = [example for _, example in zip(range(600), corpus("validation", 17, 600), strict=False)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """a.json, worse.json, a folder of answers, and the questions as an official file."""
    path = tmp_path_factory.mktemp("compare")
    a = perturbed(EXAMPLES, 0.25, 1)
    contents = {"a": a, "worse": mended(EXAMPLES, a, -5, 2), "answers/predictions": a}
    contents["answers/num_features"] = dict.fromkeys(a, 1)
    contents["other"] = {qid: text for qid, text in a.items() if qid != EXAMPLES[0].id}
    (path / "answers").mkdir()
    for name, content in contents.items():
        (path / f"{name}.json").write_text(json.dumps(content))
    articles: dict[str, list[object]] = {}
    for e in EXAMPLES:
        answers = [{"text": answer.text, "answer_start": answer.start} for answer in e.answers]
        qa = {"id": e.id, "question": e.question, "answers": answers, "is_impossible": not answers}
        articles.setdefault(e.title, []).append({"context": e.context, "qas": [qa]})
    data = [{"title": title, "paragraphs": paragraphs} for title, paragraphs in articles.items()]
    (path / "squad.json").write_text(json.dumps({"version": "v2.0", "data": data}))
    return path


def spanline(folder: Path, *arguments: str) -> tuple[int, str, list[str]]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "spanline", *arguments, "--squad", "squad.json", "--resamples", "499"]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr.splitlines()


@pytest.mark.parametrize("form", [[], ["--json"], ["--md"], ["--slices"]])
def test_the_same_bytes_each_time(folder: Path, form: list[str]) -> None:
    first, second = (spanline(folder, "compare", "a.json", "worse.json", *form) for _ in range(2))
    assert first[:2] == second[:2]
    assert first[0] == 0
    assert form in (["--json"], ["--md"]) or max(map(len, first[1].splitlines())) <= 120


def test_text_ends_with_the_verdict(folder: Path) -> None:
    _, text, _ = spanline(folder, "compare", "a.json", "worse.json")
    assert text.splitlines()[-2].startswith("B is worse than A, by 5.00")
    assert text.startswith("A  a.json\nB  worse.json\n")


def test_the_verdict_may_go_by_exact(folder: Path) -> None:
    _, text, _ = spanline(folder, "compare", "a.json", "worse.json", "--metric", "exact")
    assert text.splitlines()[-2].startswith("B is worse than A, by 5.00 exact")
    [header] = [line.split() for line in text.splitlines() if line.startswith("slice ")]
    assert header == ["slice", "questions", "exact", "on", "new", "articles", "p", "corrected"]


def test_markdown_begins_with_the_mark_of_the_one_comment(folder: Path) -> None:
    _, text, _ = spanline(folder, "compare", "a.json", "worse.json", "--md")
    assert text.startswith("<!-- spanline compare -->\n**B is worse than A, by 5.00")


def test_json_has_every_number(folder: Path) -> None:
    _, text, _ = spanline(folder, "compare", "a.json", "answers", "--json")
    found = json.loads(text)
    assert (found["a"], found["b"], found["outcome"], found["f1"]["difference"]) == ("a.json", "answers", "same", 0.0)
    assert found["flips"] == {"only_a": 0, "only_b": 0, "same_answer": len(EXAMPLES)}
    assert {row["name"] for row in found["slices"]} > {"answerable: yes", "question word: what"}


@pytest.mark.parametrize(("a", "b", "code"), [("a", "worse", 4), ("worse", "a", 0), ("a", "a", 0)])
def test_fail_on_regression(folder: Path, a: str, b: str, code: int) -> None:
    assert spanline(folder, "compare", f"{a}.json", f"{b}.json", "--fail-on-regression")[0] == code


def test_slices_by_features_need_them_on_both_sides(folder: Path) -> None:
    assert "features: 1" in spanline(folder, "compare", "answers", "answers", "--slices")[1]
    assert "features: 1" not in spanline(folder, "compare", "answers", "a.json", "--slices")[1]


def test_sets_of_runs(folder: Path) -> None:
    code, text, _ = spanline(folder, "compare", "a.json,answers", "worse.json,a.json")
    assert code == 0
    assert "A  a.json,answers (2 runs)" in text
    assert text.splitlines()[-1] == "The runs' own variance (2 against 2) is in the intervals."


def test_summary(folder: Path) -> None:
    code, text, _ = spanline(folder, "summary", "a.json", "worse.json")
    names = [line.split()[0] for line in text.splitlines()]
    assert (code, names) == (0, ["exact", "a.json", "worse.json", "mean", "sd", "95"])
    found = json.loads(spanline(folder, "summary", "a.json", "worse.json", "--json")[1])
    assert found["sd"]["exact"] == pytest.approx(abs(found["runs"][0]["exact"] - found["runs"][1]["exact"]) / 2**0.5)


@pytest.mark.parametrize(
    ("sides", "line"),
    [
        (("a.json", "other.json"), "error: other.json: 1 questions are missing, the first is "),
        (("a.json", "none.json"), "error: none.json: is no file, folder, git revision or DVC experiment; see dvc exp "),
        (("a.json", ","), "error: spanline compare: an empty name; see spanline compare --help"),
    ],
)
def test_mistakes_are_one_line(folder: Path, sides: tuple[str, str], line: str) -> None:
    code, text, lines = spanline(folder, "compare", *sides)
    assert (code, text, len(lines)) == (1, "", 1)
    assert lines[0].startswith(line)

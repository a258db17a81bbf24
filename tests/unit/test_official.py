"""`python -m spanline.official` stands in for the official script: arguments, numbers, JSON; and says what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spanline import official
from spanline.common.errors import SpanlineError
from spanline.squad_v2 import sweep
from tests.make.scored import EDGE_CASES, EDGE_GOLD, read, real_files
from tests.paths import ROOT, SHARED


def command(*arguments: Any) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    words = [sys.executable, "-m", "spanline.official", *map(str, arguments)]
    return subprocess.run(words, env=environ, capture_output=True, text=True, timeout=60, check=False)


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def data(**questions: list[str]) -> dict[str, Any]:
    """An official data file; what a scorer doesn't read is left out."""
    qas = [{"id": qid, "answers": [{"text": text} for text in texts]} for qid, texts in questions.items()]
    return {"data": [{"paragraphs": [{"qas": qas}]}]}


def same(found: dict[str, float], expected: dict[str, float]) -> bool:
    return list(found) == list(expected) and found == pytest.approx(expected, rel=0, abs=1e-9)


@pytest.mark.parametrize("case", ["gold", "near", "empty", "articles", "repeat"])
def test_official_edge_cases(case: str, tmp_path: Path) -> None:
    given = read(EDGE_CASES)[case]
    predictions = write(tmp_path / "predictions.json", given["predictions"])
    na_prob = write(tmp_path / "na_prob.json", given["na_prob"])
    for options, output in [
        ([], "official"),
        (["--na-prob-file", na_prob], "official_with_na_prob"),
        (["-n", na_prob, "-t", 0.5], "official_with_na_prob_threshold_0_5"),
    ]:
        done = command(EDGE_GOLD, predictions, *options)
        assert same(json.loads(done.stdout), given[output])
        assert done.stdout == json.dumps(json.loads(done.stdout), indent=2) + "\n"


@real_files
@pytest.mark.parametrize(
    ("output", "predictions", "options"),
    [
        ("predictions", "predictions", []),
        ("predictions_with_na_prob", "predictions", ["-n"]),
        ("best_spans_with_na_prob", "best_spans", ["-n"]),
        ("best_spans_with_na_prob_threshold_0_5", "best_spans", ["-t", "0.5", "-n"]),
    ],
)
def test_official_dev_set(output: str, predictions: str, options: list[str]) -> None:
    folder = SHARED / "official_scores/dev"
    options = [*options, str(folder / "na_prob.json")] if options else []
    done = command(SHARED / "squad_v2/dev-v2.0.json", folder / f"{predictions}.json", *options)
    assert same(json.loads(done.stdout), json.loads((folder / "expected.json").read_text())[output])


def test_out_file_and_pictures(tmp_path: Path) -> None:
    gold = write(tmp_path / "data.json", data(a=["x"], b=["y"], c=[]))
    predictions = write(tmp_path / "predictions.json", {"a": "x", "b": "z", "c": "w"})
    na_prob = write(tmp_path / "na_prob.json", {"a": 0.1, "b": 1.0, "c": 0.55})
    done = command(gold, predictions, "-n", na_prob, "-o", tmp_path / "out.json", "-p", tmp_path / "images")
    assert (done.returncode, done.stdout) == (0, "")
    scores = json.loads((tmp_path / "out.json").read_text())
    assert list(scores)[-3:] == ["pr_exact_ap", "pr_f1_ap", "pr_oracle_ap"]
    assert scores["pr_exact_ap"] == 50.0
    assert scores["pr_oracle_ap"] == pytest.approx(100 * (1 / 2 + 1 / 2 * 2 / 3))
    names = {path.name for path in (tmp_path / "images").iterdir()}
    assert names == {
        *(f"pr_{name}.csv" for name in ("exact", "f1", "oracle")),
        *(f"na_prob_hist_{name}.csv" for name in ("hasAns", "noAns")),
    }
    assert (tmp_path / "images/pr_exact.csv").read_text().splitlines()[:3] == ["recall,precision", "0.0,1.0", "0.5,1.0"]
    bins = (tmp_path / "images/na_prob_hist_hasAns.csv").read_text().splitlines()
    assert (len(bins), bins[3], bins[-1]) == (21, "0.1,0.15,0.5", "0.95,1.0,0.5")


def test_a_plain_function() -> None:
    scores = official.score(data(a=["x"], b=[]), {"a": "x", "b": "y"})
    assert (scores["exact"], scores["NoAns_exact"], "best_f1" in scores) == (50.0, 0.0, False)
    scores = official.score(data(a=["x"], b=[]), {"a": "x", "b": "y"}, {"a": 0.1, "b": 0.9}, 0.5)
    assert (scores["exact"], scores["best_exact"]) == (100.0, 100.0)
    assert official.score(data(a=["x"]), {"a": "x"}) == sweep.official_scores(
        {"a": ["x"]}, {"a": "x"}, None, sweep.NEVER
    )


def test_ids_that_are_whole_numbers_are_the_keys_that_json_makes_of_them(tmp_path: Path) -> None:
    """The official script looks for the number itself and finds no prediction at all."""
    qas = [{"id": 7, "answers": [{"text": "x"}]}, {"id": 70, "answers": []}, {"id": "b", "answers": []}]
    content = {"data": [{"paragraphs": [{"qas": qas}]}]}
    expected = official.score(data(**{"7": ["x"], "70": [], "b": []}), {"7": "x", "70": "y", "b": ""})
    assert expected["exact"] == pytest.approx(200 / 3)
    gold = write(tmp_path / "data.json", content)
    done = command(gold, write(tmp_path / "predictions.json", {7: "x", 70: "y", "b": ""}))
    assert (done.returncode, json.loads(done.stdout)) == (0, expected)
    for ids in ({7: "x", 70: "y", "b": ""}, {"7": "x", "70": "y", "b": ""}):
        assert official.score(content, ids) == expected
    na_prob = {7: 0.1, 70: 0.9, "b": 0.5}
    assert official.score(content, {7: "x", 70: "y", "b": ""}, na_prob, 0.5)["exact"] == 100.0
    both = {"data": [{"paragraphs": [{"qas": [{"id": 7, "answers": []}, {"id": "7", "answers": []}]}]}]}
    with pytest.raises(SpanlineError, match="question '7' occurs twice"):
        official.gold_of(both, "gold.json")


def test_what_is_no_sane_json_is_one_line(tmp_path: Path) -> None:
    gold = write(tmp_path / "data.json", data(a=["x"]))
    predictions = tmp_path / "predictions.json"
    for content in ('{"a": "x", "a": "y"}', "[" * 100_000, "9" * 5_000, ""):
        predictions.write_text(content)
        for arguments in ((gold, predictions), (predictions, predictions)):
            done = command(*arguments)
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr.startswith(f"error: {predictions}: not JSON: ")
            assert done.stderr.count("\n") == 1
    done = command(gold, tmp_path)
    assert (done.returncode, done.stderr) == (1, f"error: {tmp_path}: is a folder, not a file; check the path\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"data": [{"paragraphs": [{"qas": [{"id": None, "answers": []}]}]}]}, "has not the form"),
        ({"data": [{"paragraphs": [{"qas": [{"id": True, "answers": []}]}]}]}, "has not the form"),
        ([], "has not the form of an official SQuAD file"),
        ({"data": [{"paragraphs": [{"qas": [{"id": "q"}]}]}]}, "has not the form of an official SQuAD file"),
        ({"data": [{"paragraphs": [{"qas": [{"id": "q", "answers": []}] * 2}]}]}, "question 'q' occurs twice"),
    ],
)
def test_other_data_is_refused(content: Any, message: str) -> None:
    with pytest.raises(SpanlineError, match=f"^gold.json: {message}"):
        official.gold_of(content, "gold.json")


@pytest.mark.parametrize(
    ("predictions", "na_prob", "line"),
    [
        ({"a": "x"}, None, "predictions: 1 questions are missing, the first is 'b'; make it again for this gold file"),
        ({"a": "x", "b": "", "c": ""}, None, "predictions: 1 questions are not in the gold file, the first is 'c'"),
        ({"a": "x", "b": ""}, {"a": 0.5}, "na_prob: 1 questions are missing, the first is 'b'"),
        ({"a": "x", "b": ""}, {"a": 0.5, "b": "0.5"}, "na_prob: 1 values are not numbers, the first is 'b'"),
        ([], None, "is not a JSON object by question id"),
    ],
)
def test_what_does_not_fit_is_one_line(predictions: Any, na_prob: Any, line: str, tmp_path: Path) -> None:
    gold = write(tmp_path / "data.json", data(a=["x"], b=[]))
    options = [] if na_prob is None else ["-n", write(tmp_path / "na_prob.json", na_prob)]
    done = command(gold, write(tmp_path / "predictions.json", predictions), *options)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("error: ")
    assert line in done.stderr


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    done = command(tmp_path / "data.json", tmp_path / "predictions.json")
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path / 'data.json'}: there is no such file; check the path\n"

"""What differs between two locks is named, wherever in the pipeline it is, and nothing else is."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from spanline.compare.changes import changes, is_seed_alone
from spanline.compare.difference import Chance
from spanline.compare.report import json, markdown, text
from spanline.compare.run import of_sides
from spanline.compare.runs import Run, Side
from spanline.compare.verdict import verdict
from spanline.synthetic.corpus import examples

LOCK: dict[str, Any] = {
    "featurize@train": {
        "deps": [{"path": "src/spanline/common", "md5": "c"}],
        "params": {"params.yaml": {"featurize": {"max_length": 384}, "environment.pyarrow": "26"}},
        "outs": [{"path": "data/features/train", "md5": "f"}],
    },
    "train": {
        "deps": [{"path": "data/features/train", "md5": "f"}, {"path": "src/spanline/train", "md5": "t"}],
        "params": {"params.yaml": {"train": {"seed": 17, "files": {}, "dropout": None}}},
        "outs": [{"path": "data/model", "md5": "m"}],
    },
    "postprocess": {
        "deps": [{"path": "data/model/config.json", "md5": "x"}],
        "outs": [{"path": "data/answers", "md5": "a"}],
    },
    "score": {
        "deps": [{"path": "data/answers", "md5": "a"}, {"path": "src/spanline/score", "md5": "s"}],
        "params": {"params.yaml": {"score": {"bins": 10}}},
    },
}


def changed(*path: Any, to: Any) -> dict[str, Any]:
    lock = copy.deepcopy(LOCK)
    inner: Any = lock
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return lock


TRAIN = ("train", "params", "params.yaml", "train")


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (LOCK, []),
        (changed(*TRAIN, "seed", to=18), ["train.seed: 17 -> 18"]),
        (changed(*TRAIN, "dropout", to=0.1), ["train.dropout: None -> 0.1"]),
        (changed(*TRAIN, "new", to=True), ["train.new: none -> True"]),
        (changed(*TRAIN, "files", to={"a": 1}), ["train.files: {} -> none", "train.files.a: none -> 1"]),
        (changed("train", "deps", 1, "md5", to="u"), ["code of train"]),
        (changed("featurize@train", "deps", 0, "md5", to="d"), ["code of featurize"]),
        (
            changed("featurize@train", "params", "params.yaml", "environment.pyarrow", to="27"),
            ["environment.pyarrow: 26 -> 27"],
        ),
        (changed("train", "outs", 0, "md5", to="n"), []),  # an outcome, no cause
        (changed("score", "params", "params.yaml", "score", "bins", to=5), []),  # comes after the answers
        (changed("score", "deps", 1, "md5", to="t"), []),
    ],
)
def test_causes_are_named(other: dict[str, Any], expected: list[str]) -> None:
    assert changes(LOCK, other) == expected


def test_both_ways() -> None:
    other = changed(*TRAIN, "new", to=True)
    assert changes(other, LOCK) == ["train.new: True -> none"]


def test_the_seed_alone() -> None:
    assert is_seed_alone(["train.seed: 17 -> 18"])
    assert not is_seed_alone([])
    assert not is_seed_alone(["train.seed: 17 -> 18", "code of train"])
    assert not is_seed_alone(["download.seed: 17 -> 18"])


class Revision:
    def __init__(self, lock: dict[str, Any]) -> None:
        self.lock = lock


def found(other: dict[str, Any]) -> Any:
    questions = [example for _, example in zip(range(300), examples("validation", 17, 300), strict=False)]
    right = {each.id: each.answers[0].text if each.answers else "" for each in questions}
    wrong = {qid: "another" if number % 3 else answer for number, (qid, answer) in enumerate(right.items())}
    sides = [
        Side(name, [Run(name, answers, None, Revision(lock))])  # type: ignore[arg-type]
        for name, answers, lock in (("a", right, LOCK), ("b", wrong, other))
    ]
    return of_sides(questions, sides, "f1", Chance(199, 17))


def test_a_verdict_on_two_seeds_says_that_it_is_luck() -> None:
    comparison = found(changed(*TRAIN, "seed", to=18))
    remark = verdict(comparison).splitlines()[1]
    assert remark.startswith("Only the seed differs: that is the luck of a draw, no better way to train.")
    assert "\nB has train.seed: 17 -> 18\n" in text(comparison, ("a", "b"), all_slices=False)
    assert "\nB has train.seed: 17 -> 18\n" in markdown(comparison, ("a", "b"), all_slices=False)
    assert '"train.seed: 17 -> 18"' in json(comparison, ("a", "b"))


def test_many_and_long_changes_fit_a_screen() -> None:
    other = changed(*TRAIN, to={f"param_{number}": "long " * 50 for number in range(9)})
    shown = text(found(other), ("a", "b"), all_slices=False)
    assert max(map(len, shown.splitlines())) <= 120
    assert "; 9 more\n" in shown

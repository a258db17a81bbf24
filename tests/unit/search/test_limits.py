"""Gold answers longer than the search looks for are counted, and said where there are any."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanline.common.files import read_json, to_json, write_text
from spanline.search.limits import limits, line
from spanline.search.params import AnswerSearchParams
from spanline.storage import features
from tests.make.project import example, make_project


def params(max_answer_length: int) -> AnswerSearchParams:
    return AnswerSearchParams(max_answer_length=max_answer_length, max_context=False, top_n=None)


@pytest.mark.parametrize(("limit", "longer"), [(1, 2), (10, 1), (1000, 0)])
def test_questions_whose_every_gold_answer_is_longer(limit: int, longer: int, tmp_path: Path) -> None:
    context = "Orvel. " + "x " * 100
    given = [
        example("short", context, "Who?", ("x", 7), (context.strip(), 0)),
        example("four", context, "Who?", ("x x x x", 7)),
        example("most", context, "Who?", (context.strip(), 0)),
        example("none", context),
    ]
    make_project(tmp_path, given)
    found = limits(features.manifest(tmp_path / "features"), params(limit))
    assert found == {"max_answer_length": limit, "answers_longer": longer}
    start = f"{longer} answerable questions have no gold answer within answer_search.max_answer_length {limit}: "
    assert line(found) == (f"{start}never right in full" if longer else "")


def test_features_of_before_do_not_know(tmp_path: Path) -> None:
    make_project(tmp_path)
    path = tmp_path / "features" / "manifest.json"
    content = read_json(path, "")
    del content["counts"]["answers_by_tokens"]
    write_text(path, to_json(content))
    found = limits(features.manifest(tmp_path / "features"), params(1))
    assert (found, line(found)) == ({}, "")

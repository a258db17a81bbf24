"""Worked examples: each kind with its count, the most confident first, marked in their text; data are no Markdown."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanline.answers import Answers, Thresholds
from spanline.cli import examples as command
from spanline.dataset.records import Example, GoldAnswer
from spanline.report.questions import Candidates, Run
from spanline.squad_v2.scores import question_scores

CONTEXT = "Ash Ferry crosses the *Wend* at <b>Holm</b>."


def example(qid: str, gold: str | None = None, title: str = "Rivers") -> Example:
    answers = () if gold is None else (GoldAnswer(gold, CONTEXT.index(gold)),)
    return Example(qid, title, CONTEXT, f"What of {qid}?", answers)


def run_of(predictions: dict[str, str], examples: list[Example], na_prob: dict[str, float]) -> Run:
    best = {qid: text or "Ash" for qid, text in predictions.items()}
    found = [
        Candidates([(CONTEXT.index(best[e.id]), CONTEXT.index(best[e.id]) + len(best[e.id]))], [1.0], 0.0)
        for e in examples
    ]
    ones = dict.fromkeys(predictions, 1)
    answers = Answers(predictions, best, dict.fromkeys(predictions, -1.0), na_prob, ones, Thresholds(0.0, 0.0))
    return Run("r", answers, found, question_scores(examples, predictions))


def test_every_kind_is_shown_as_people_read_it() -> None:
    examples = [example("a", "Ash Ferry"), example("b", "Holm"), example("c"), example("d", "Holm")]
    run = run_of({"a": "Ash Ferry", "b": "at <b>Holm", "c": "Wend", "d": ""}, examples, dict.fromkeys("abcd", 0.25))
    lines = list(command.markdown(examples, run, 5))
    assert [line for line in lines if line.startswith("## ")] == [
        "## Right: 1 of 4 questions (25.0 %)\n",
        "## Wrong span: there is an answer, another span was given: 1 of 4 questions (25.0 %)\n",
        "## False answer: there is none, a span was given: 1 of 4 questions (25.0 %)\n",
        "## False null: there is an answer, none was given: 1 of 4 questions (25.0 %)\n",
    ]
    quotes = [line for line in lines if line.startswith("> ")]
    assert quotes == [
        "> **[[Ash Ferry]]** crosses the \\*Wend\\* at &lt;b&gt;Holm&lt;/b&gt;.\n",
        "> Ash Ferry crosses the \\*Wend\\* [[at &lt;b&gt;**Holm]]**&lt;/b&gt;.\n",
        "> Ash Ferry crosses the \\*[[Wend]]\\* at &lt;b&gt;Holm&lt;/b&gt;.\n",
        "> Ash Ferry crosses the \\*Wend\\* at &lt;b&gt;**Holm**&lt;/b&gt;.\n",
    ]
    assert "- gold: *no answer*" in lines
    assert lines[-1] == "- no-answer probability 25.0 %; score difference -1.00, threshold 0.00\n"


def test_the_most_confident_come_first_one_per_article() -> None:
    examples = [
        example("a", "Holm", "X"),
        example("b", "Holm", "X"),
        example("c", "Holm", "Y"),
        example("d", "Holm", "Y"),
    ]
    run = run_of(dict.fromkeys("abcd", ""), examples, {"a": 0.9, "b": 0.8, "c": 0.6, "d": 0.7})
    shown = [line[12:13] for line in command.markdown(examples, run, 3) if line.startswith("### ")]
    assert shown == ["a", "d", "b"]


@pytest.mark.parametrize(
    ("folders", "names"),
    [(["x/answers"], ["answers"]), (["x/a/answers", "x/b/answers"], ["a/answers", "b/answers"]), (["x", "x"], None)],
)
def test_runs_are_named_by_what_tells_them_apart(folders: list[str], names: list[str] | None) -> None:
    from spanline.cli.report import different_names

    found = different_names([Path(folder) for folder in folders])
    assert len(set(found)) == len(folders)
    assert names is None or found == names

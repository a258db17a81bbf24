"""What the page is told of each question is what the answers and the gold say; offsets are JavaScript's."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanline.common.errors import SpanlineError
from spanline.dataset.records import Example, GoldAnswer
from spanline.report import questions
from spanline.slicing.kinds import slicings
from spanline.squad_v2.scores import question_scores
from tests.make.project import tiny_examples
from tests.make.reported import write_answers


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@pytest.mark.parametrize("text", ["", "plain", "é—", "a😀b😀😀c", "\U0001f680"])
def test_offsets_count_utf_16_units(text: str) -> None:
    to_utf16 = questions.utf16_offsets(text)
    assert [to_utf16(place) for place in range(len(text) + 1)] == [
        utf16(text[:place]) for place in range(len(text) + 1)
    ]


def test_columns_say_what_the_files_say(tmp_path: Path) -> None:
    """The definition, question by question."""
    examples = tiny_examples()
    answers = write_answers(tmp_path, examples, seed=3)
    run = questions.read_run(tmp_path, "a run", examples)
    numbers, header = questions.columns(examples, [run])
    scores = question_scores(examples, answers.predictions)
    span = gold = 0
    for row, (example, found) in enumerate(zip(examples, run.candidates, strict=True)):
        assert header["texts"]["context"][numbers["context"][row]] == example.context
        assert header["texts"]["title"][numbers["title"][row]] == example.title
        assert numbers["f10"][row] == round(scores[example.id][1] * 1e6)
        assert (numbers["kind0"][row] == 0) == (scores[example.id][0] == 1)
        assert numbers["answered0"][row] == (answers.predictions[example.id] != "")
        total = 0
        for (start, end), score in zip(found.spans, found.scores, strict=True):
            assert numbers["start0"][span] == utf16(example.context[:start])
            assert numbers["length0"][span] == utf16(example.context[start:end])
            total = (
                numbers["drop0"][span]
                if span == 0 or (not total and found.scores[0] is score)
                else total - numbers["drop0"][span]
            )
            assert total == round(score * 100)
            span += 1
        for answer in example.answers:
            assert numbers["gold_start"][gold] == utf16(example.context[: answer.start])
            gold += 1
    assert (span, gold) == (sum(numbers["spans0"]), sum(numbers["golds"]))
    for number, (_, values, value_of) in enumerate(slicings(examples, answers.num_features)):
        names = [None, *values]
        assert [names[value] for value in numbers[f"slicing{number}"]] == [value_of(e) for e in examples]


def one(*answers: str) -> Example:
    context = "Ash Ferry crosses the Wend at Holm."
    return Example("q", "T", context, "What?", tuple(GoldAnswer(text, context.index(text)) for text in answers))


@pytest.mark.parametrize(
    ("golds", "prediction", "kind"),
    [
        (["the Wend"], "Wend", "right"),
        (["Holm"], "Wend", "wrong span"),
        (["Holm"], "", "false null"),
        ([], "", "right"),
        ([], "Wend", "false answer"),
        ([], "the", "right"),  # as the official script has it: it normalizes to nothing
    ],
)
def test_kinds(golds: list[str], prediction: str, kind: str, tmp_path: Path) -> None:
    example = one(*golds)
    answers = write_answers(tmp_path, [example], seed=1)
    changed = questions.Run(
        "r",
        answers=type(answers)(**{**vars(answers), "predictions": {"q": prediction}}),
        candidates=[],
        scores=question_scores([example], {"q": prediction}),
    )
    assert changed.kind(example) == kind


def test_confidence_is_the_probability_of_the_given_answer(tmp_path: Path) -> None:
    example = one("Holm")
    answers = write_answers(tmp_path, [example], seed=1)
    found = questions.Candidates([(0, 3), (4, 9)], [2.0, 1.0], 0.0)
    for prediction, expected in (("", 0.25), ("Ash", 0.75 / (1 + 2.718281828**-1))):
        changed = {**vars(answers), "predictions": {"q": prediction}, "na_prob": {"q": 0.25}}
        run = questions.Run("r", type(answers)(**changed), [found], {"q": (0, 0.0)})
        assert questions.confidence(run, example, found) == pytest.approx(expected)


def test_answers_of_other_questions_are_refused(tmp_path: Path) -> None:
    examples = tiny_examples()
    write_answers(tmp_path, examples, seed=1)
    with pytest.raises(SpanlineError, match="1 questions are not in the gold file"):
        questions.read_run(tmp_path, "r", examples[1:])

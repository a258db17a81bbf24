"""One question over many documents: one ranking, by the calibrated probability, whatever their order and grouping."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from spanline.ask import answerer
from spanline.ask.answerer import QuestionAnswerer, load
from spanline.ask.documents import answers_of, best
from spanline.no_answer.calibration import Calibration
from spanline.no_answer.probability import no_answer_probability
from spanline.search.nbest import Found, Span
from tests.make.answering import EVALUATED, make_model, questions

PAIRS = questions(40)
TEXTS = list(dict.fromkeys(context for _, context in PAIRS))[:6]  # all different: else equal scores would tie
DOCUMENTS = {f"text {number}": context for number, context in enumerate(TEXTS)}
KNOWN = EVALUATED["calibration"]


@pytest.fixture(scope="module")
def qa(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> QuestionAnswerer:
    made = make_model(tiny_encoder, tmp_path_factory.mktemp("answering") / "model")
    (made / "answering.json").write_text(json.dumps(EVALUATED))
    return load(made, device="cpu", workers=1)


def test_a_score_is_comparable_between_documents() -> None:
    """A document of large logits does not win by their size: what counts is the distance from its null score."""
    loud = Found("0", 19.0, [Span("loud", 0, 4, 10.0, 10.0)])
    quiet = Found("1", 1.0, [Span("quiet", 0, 5, 2.0, 2.0), Span("q", 0, 1, 1.0, -1.0)])
    empty = Found("2", 1.0, [])
    found = answers_of(["a", "b", "c"], [loud, quiet, empty], None, np.inf)
    ranked = best(found, 10)
    assert [answer["answer"] for answer in ranked] == ["quiet", "loud", "q"]
    assert [answer["document"] for answer in ranked] == ["b", "a", "b"]
    expected = 1 - no_answer_probability([-3.0, -1.0, 1.0], 1.0, 0.0)
    assert [answer["score"] for answer in ranked] == pytest.approx(expected.tolist())
    assert [answer["answer"] for answer in answers_of("ab", [loud, quiet], None, -2.0)] == ["quiet"]
    calibrated = answers_of("a", [loud], Calibration(0.0, 2.0, 0.5), np.inf)
    assert calibrated[0]["score"] == pytest.approx(1 / (1 + np.exp(2.0 * -1.0 + 0.5)), abs=1e-5)


def test_the_best_of_each_document_has_its_answers_probability(qa: QuestionAnswerer) -> None:
    """Against one call per document: the same spans, and scores of 1 - the probability that there is no answer."""
    question = PAIRS[0][0]
    found = qa.search(question, DOCUMENTS, top_k=1000)
    for name, text in DOCUMENTS.items():
        alone = qa(question=question, context=text, threshold=1e9)
        first = next(answer for answer in found if answer["document"] == name)
        assert (first["answer"], first["start"], first["end"]) == (alone["answer"], alone["start"], alone["end"])
        assert first["score"] == pytest.approx(1 - alone["no_answer_probability"], abs=1e-6)
        assert text[first["start"] : first["end"]] == first["answer"]
    assert [answer["score"] for answer in found] == sorted((answer["score"] for answer in found), reverse=True)


def test_order_and_grouping_do_not_matter(qa: QuestionAnswerer, monkeypatch: pytest.MonkeyPatch) -> None:
    question = PAIRS[1][0]
    expected = qa.search(question, DOCUMENTS, top_k=4)
    assert len(expected) == 4
    monkeypatch.setattr(answerer, "GROUP_CHARACTERS", 1)
    for documents in (DOCUMENTS, dict(reversed(DOCUMENTS.items()))):
        found = qa.search(question, documents, top_k=4)
        assert [(a["document"], a["start"]) for a in found] == [(a["document"], a["start"]) for a in expected]


def test_the_threshold_of_the_scored_answers_leaves_out(qa: QuestionAnswerer) -> None:
    """Exactly the documents whose answer is "" by themselves."""
    question = PAIRS[2][0]
    kept = {answer["document"] for answer in qa.search(question, DOCUMENTS, top_k=1000, threshold="calibrated")}
    alone = {
        n for n, text in DOCUMENTS.items() if qa(question=question, context=text, threshold="calibrated")["answer"]
    }
    assert kept == alone


def test_an_empty_document_is_named(qa: QuestionAnswerer) -> None:
    with pytest.raises(answerer.BadInputError, match=r"context of notes\.txt: is empty"):
        qa.search("Who?", {"a": "Ada did.", "notes.txt": " "})

"""Each step by its definition, written out; docs/STEPS.md prints what it says it prints."""

from __future__ import annotations

import contextlib
import io
import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from spanline.featurize.tokenizer import PairTokenizer
from spanline.walkthrough import steps
from tests.paths import ROOT

PAGE = ROOT / "docs" / "STEPS.md"
NUMBER = re.compile(r"\d+\.\d+")


@pytest.fixture(scope="module")
def pair(tiny_encoder: Path) -> steps.Tokens:
    tokenizer = PairTokenizer(tiny_encoder / "tokenizer.json")
    return steps.tokens(tokenizer, "Who lives there?", "Ada lives in the old house.")


def test_tokens_say_where_they_come_from(pair: steps.Tokens) -> None:
    texts = ("Who lives there?", "Ada lives in the old house.")
    assert pair.pieces[0] == "[CLS]"
    assert pair.sequences[0] is pair.words[0] is None
    for piece, sequence, (start, end) in zip(pair.pieces, pair.sequences, pair.offsets, strict=True):
        if sequence is not None:
            assert texts[sequence][start:end].lower() == piece.removeprefix("##")


def test_allowed_are_the_context_and_the_null_position(pair: steps.Tokens) -> None:
    may = steps.allowed(pair, 0)
    expected = [number == 0 or sequence == 1 for number, sequence in enumerate(pair.sequences)]
    assert may.tolist() == expected


def test_probabilities() -> None:
    logits = np.array([[1.0, 2.0, -np.inf], [1000.0, 1000.0, 999.0]])
    e = math.e
    assert steps.probabilities(logits)[0] == pytest.approx([1 / (1 + e), e / (1 + e), 0])
    assert steps.probabilities(logits).sum(axis=1) == pytest.approx([1, 1])
    assert steps.probabilities(np.array([0.0, 800.0, -800.0]), "sigmoid") == pytest.approx([0.5, 1, 0])
    assert steps.probabilities(np.array([0.25, -3]), "none").tolist() == [0.25, -3]


def test_masked_logits_get_no_probability() -> None:
    masked = steps.masked_logits(np.array([9.0, 1.0, 1.0], np.float32), np.array([False, True, True]))
    assert steps.probabilities(masked).tolist() == [0, 0.5, 0.5]


def test_score_matrix_is_the_band_above_the_diagonal() -> None:
    start, end = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.2, 0.7])
    expected = [[0.05, 0.1, 0], [0, 0.06, 0.21], [0, 0, 0.14]]
    np.testing.assert_allclose(steps.score_matrix(start, end, 2), expected)
    assert steps.best_span(steps.score_matrix(start, end, 2)) == (1, 2, pytest.approx(0.21))
    assert steps.best_span(steps.score_matrix(start, end, 3)) == (0, 2, pytest.approx(0.35))


def test_of_equal_spans_the_earlier_start_then_end() -> None:
    assert steps.best_span(np.full((3, 3), 0.5))[:2] == (0, 0)


def test_characters(pair: steps.Tokens) -> None:
    first = pair.sequences.index(1)
    start, end = steps.characters(pair, first, len(pair) - 2)
    assert (start, end) == (0, len("Ada lives in the old house."))


@pytest.mark.parametrize(
    ("problem_type", "num_labels", "expected"),
    [
        ("regression", 1, "none"),
        ("multi_label_classification", 3, "sigmoid"),
        ("single_label_classification", 3, "softmax"),
        (None, 1, "sigmoid"),
        (None, 2, "softmax"),
    ],
)
def test_the_activation_follows_the_config(problem_type: str | None, num_labels: int, expected: str) -> None:
    assert steps.activation_of(SimpleNamespace(problem_type=problem_type, num_labels=num_labels)) == expected


@pytest.mark.parametrize(
    ("problem_type", "num_labels"), [("multi_label_classification", 3), (None, 3), (None, 1), ("regression", 1)]
)
def test_classes_equal_those_of_transformers_pipeline(
    tiny_encoder: Path, problem_type: str | None, num_labels: int
) -> None:
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        PreTrainedTokenizerFast,
        TextClassificationPipeline,
    )

    config = BertConfig.from_pretrained(
        tiny_encoder, id2label={n: f"L{n}" for n in range(num_labels)}, problem_type=problem_type
    )
    model = BertForSequenceClassification(config).eval()
    path = tiny_encoder / "tokenizer.json"
    own = PreTrainedTokenizerFast(tokenizer_file=str(path), model_input_names=["input_ids", "token_type_ids"])
    expected = TextClassificationPipeline(model=model, tokenizer=own)("Ada lives there", top_k=None)
    logits = steps.label_logits(model, steps.tokens(PairTokenizer(path), "Ada lives there"))
    labels = [config.id2label[number] for number in range(num_labels)]
    found = steps.ranked_labels(steps.probabilities(logits, steps.activation_of(config)), labels)
    assert [label for label, _ in found] == [entry["label"] for entry in expected]
    assert [score for _, score in found] == pytest.approx([entry["score"] for entry in expected], abs=1e-6)


def test_the_page_prints_what_it_says() -> None:
    """Every python block is run in order; the text block behind it is its output. Numbers may differ by rounding."""
    blocks = re.findall(r"```(python|text)\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert [kind for kind, _ in blocks].count("text") >= 8
    names: dict[str, object] = {}
    printed = ""
    for kind, content in blocks:
        if kind == "python":
            assert not printed, f"the page does not show this output:\n{printed}"
            stream = io.StringIO()
            with contextlib.redirect_stdout(stream):
                exec(compile(content, str(PAGE), "exec"), names)
            printed = stream.getvalue()
        else:
            assert NUMBER.sub("#", printed) == NUMBER.sub("#", content)
            shown, found = ([float(number) for number in NUMBER.findall(part)] for part in (content, printed))
            assert found == pytest.approx(shown, abs=0.02, rel=0.05)
            printed = ""
    assert not printed

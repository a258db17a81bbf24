"""Entities equal those of transformers' own token-classification pipeline; both B-/I- schemes are read back exactly."""

from __future__ import annotations

import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanline.common.errors import SpanlineError
from spanline.featurize.tokenizer import PairTokenizer
from spanline.walkthrough import entities, steps

LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
TEXT = "Nolas of Kateminster received a library, from Flryelucote Sophia."


@pytest.fixture(scope="module")
def tokenizer(tiny_encoder: Path) -> PairTokenizer:
    return PairTokenizer(tiny_encoder / "tokenizer.json")


@pytest.fixture(scope="module")
def pipeline(tiny_encoder: Path) -> Any:
    """The pipeline of the installed transformers, which still has this one; it is given probabilities directly."""
    from transformers import (
        BertConfig,
        BertForTokenClassification,
        PreTrainedTokenizerFast,
        TokenClassificationPipeline,
    )

    config = BertConfig.from_pretrained(tiny_encoder, id2label=dict(enumerate(LABELS)))
    own = PreTrainedTokenizerFast(tokenizer_file=str(tiny_encoder / "tokenizer.json"), unk_token="[UNK]")
    return TokenClassificationPipeline(model=BertForTokenClassification(config), tokenizer=own)


def by_pipeline(pipeline: Any, probabilities_TL: np.ndarray, tokens: steps.Tokens, aggregation: str) -> list[Any]:
    import torch
    from transformers.pipelines.token_classification import AggregationStrategy

    special = torch.tensor([[sequence is None for sequence in tokens.sequences]])
    output = {
        "logits": torch.tensor(np.log(probabilities_TL))[None],
        "sentence": TEXT,
        "input_ids": torch.tensor([tokens.ids]),
        "offset_mapping": torch.tensor([tokens.offsets]),
        "special_tokens_mask": special,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(pipeline.postprocess([output], aggregation_strategy=AggregationStrategy(aggregation)))


@pytest.mark.parametrize("aggregation", ["simple", "first", "average", "max"])
@pytest.mark.parametrize("seed", range(8))
def test_equals_the_pipeline(tokenizer: PairTokenizer, pipeline: Any, aggregation: Any, seed: int) -> None:
    tokens = steps.tokens(tokenizer, TEXT)
    assert len(set(tokens.words)) < len(tokens) - 5  # words of several tokens, or all aggregations were the same
    logits = np.random.default_rng(seed).normal(0, 2, (len(tokens), len(LABELS)))
    probabilities = steps.probabilities(logits)
    found = entities.group(probabilities, LABELS, tokens, TEXT, aggregation)
    expected = by_pipeline(pipeline, probabilities, tokens, aggregation)
    assert expected
    assert [(e.type, e.start, e.end) for e in found] == [(e["entity_group"], e["start"], e["end"]) for e in expected]
    assert [e.score for e in found] == pytest.approx([e["score"] for e in expected], abs=1e-6)
    assert all(e.text == TEXT[e.start : e.end] for e in found)


spans = st.lists(st.tuples(st.sampled_from(["PER", "LOC", None]), st.integers(1, 3)), max_size=8)


def tags_of(given_spans: list[tuple[str | None, int]], scheme: str) -> tuple[list[str], list[tuple[str, int, int]]]:
    """The tags of entities (None: outside) one after the other, and where each entity lies."""
    tags: list[str] = []
    where = []
    before = None
    for kind, length in given_spans:
        if kind is None:
            tags += ["O"] * length
        else:
            begins = scheme == "IOB2" or before == kind
            where.append((kind, len(tags), len(tags) + length - 1))
            tags += [f"{'B' if begins else 'I'}-{kind}", *[f"I-{kind}"] * (length - 1)]
        before = kind
    return tags, where


@pytest.mark.parametrize("scheme", ["IOB1", "IOB2"])
@given(given_spans=spans)
def test_both_schemes_are_read_back(scheme: str, given_spans: list[tuple[str | None, int]]) -> None:
    tags, where = tags_of(given_spans, scheme)
    found = [(entities.split(tags[first])[1], first, last) for first, last in entities.runs(tags)]
    assert [run for run in found if run[0] != "O"] == where
    assert all(earlier[2] + 1 == later[1] for earlier, later in pairwise(found))


def test_tags_without_prefix_go_on() -> None:
    assert entities.runs(["PER", "PER", "LOC", "O", "PER"]) == [(0, 1), (2, 2), (3, 3), (4, 4)]


def test_a_word_gets_one_label_by_each_rule(tokenizer: PairTokenizer) -> None:
    tokens = steps.tokens(tokenizer, "Kateminster")
    assert len(tokens) >= 5  # [CLS], three pieces at least, [SEP]
    probabilities = np.tile([0.9, 0.05, 0.05], (len(tokens), 1))
    probabilities[1] = [0.2, 0.5, 0.3]  # first: A
    probabilities[2] = [0.02, 0.0, 0.98]  # surest: B
    probabilities[3:] = [0.4, 0.39, 0.21]
    found = {
        rule: entities.group(probabilities, ["O", "A", "B"], tokens, "Kateminster", rule)  # type: ignore[arg-type]
        for rule in ("simple", "first", "max")
    }
    assert [(e.type, e.score) for e in found["first"]] == [("A", 0.5)]
    assert [(e.type, e.score) for e in found["max"]] == [("B", 0.98)]
    assert [e.type for e in found["simple"]] == ["A", "B"]


@pytest.mark.parametrize("aggregation", ["simple", "first", "average", "max"])
def test_entities_are_whole_where_the_tokenizer_drops_characters(tokenizer: PairTokenizer, aggregation: Any) -> None:
    text = "Rene\u0301 met Chloe\u0308\u200f."
    tokens = steps.tokens(tokenizer, text)
    probabilities = np.zeros((len(tokens), len(LABELS)))
    for row, (start, end) in enumerate(tokens.offsets):
        inside = tokens.sequences[row] is not None and (end <= 5 or 10 <= start < 16)
        probabilities[row, 2 if inside else 0] = 1.0  # I-PER or O
    found = entities.group(probabilities, LABELS, tokens, text, aggregation)
    assert [entity.text for entity in found] == ["Rene\u0301", "Chloe\u0308\u200f"]


def test_mistakes_are_one_line(tokenizer: PairTokenizer) -> None:
    tokens = steps.tokens(tokenizer, TEXT)
    with pytest.raises(SpanlineError, match="aggregation: is 'last'; choose simple, first, average or max"):
        entities.group(np.zeros((len(tokens), 5)), LABELS, tokens, TEXT, "last")  # type: ignore[arg-type]
    with pytest.raises(SpanlineError, match=r"probabilities: have shape \(2, 5\), for \d+ tokens and 5 labels"):
        entities.group(np.zeros((2, 5)), LABELS, tokens, TEXT, "first")

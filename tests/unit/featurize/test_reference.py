"""The two ways of cutting agree, and a tokenizer for which they can't is noticed and cut the slow way."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from spanline.featurize import encoding
from spanline.featurize.tokenizer import PairTokenizer
from spanline.storage import features
from tests.make.project import TOKENIZERS, featurize, featurize_params, save, tiny_examples

NAMES = sorted(set(TOKENIZERS) - {"roberta-prefix"})  # its own offsets of later windows are the odd ones, see test_run


@pytest.mark.parametrize("name", NAMES)
def test_both_ways_give_the_same_features(name: str, tmp_path: Path) -> None:
    path = save(TOKENIZERS[name](), tmp_path)
    params = featurize_params(max_length=160, doc_stride=32, max_question_length=100)
    fast, counts = featurize(tiny_examples(), path, tmp_path / "fast", params)
    slow, slow_counts = featurize(tiny_examples(), path, tmp_path / "slow", params, slow=True)
    assert features.to_table(fast, 1 << 32).equals(features.to_table(slow, 1 << 32))
    assert counts == slow_counts
    assert counts["questions_with_several_features"] >= 3


def repeating() -> Tokenizer:
    """A BERT whose template says the question twice."""
    tokenizer = TOKENIZERS["bert"]()
    special = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    single, pair = "[CLS] $A [SEP]", "[CLS] $A [SEP] $A [SEP] $B:1 [SEP]:1"
    tokenizer.post_processor = TemplateProcessing(single=single, pair=pair, special_tokens=special)
    return tokenizer


def test_a_tokenizer_that_does_more_than_join_is_noticed_and_cut_the_slow_way(tmp_path: Path) -> None:
    path = save(repeating(), tmp_path)
    params = featurize_params(max_length=128, doc_stride=16, max_question_length=30)
    with pytest.raises(encoding.PairsAreNotConcatenatedError):
        featurize(tiny_examples(), path, tmp_path / "fast", params)
    assert not (tmp_path / "fast").exists()
    data, _ = featurize(tiny_examples(), path, tmp_path / "slow", params, slow=True)
    tokenizer = Tokenizer.from_file(str(path))
    first = tiny_examples()[0]
    tokenizer.enable_truncation(128, stride=16, strategy="only_second")
    assert data.input_ids[0].tolist() == tokenizer.encode(first.question.lstrip(), first.context).ids


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
@pytest.mark.parametrize("name", NAMES)
def test_a_cut_question_keeps_at_most_the_limit(name: str, limit: int, tmp_path: Path) -> None:
    tokenizer = PairTokenizer(save(TOKENIZERS[name](), tmp_path))
    for example in tiny_examples():
        text = tokenizer.cut_question(example.question, limit)
        assert example.question.lstrip().startswith(text)
        assert tokenizer.question_length(text) <= limit
        if tokenizer.question_length(example.question) <= limit:
            assert text == example.question.lstrip()

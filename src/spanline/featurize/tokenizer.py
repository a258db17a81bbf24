"""A tokenizer.json, reduced to what features need: token ids, character offsets, and how a pair is put together.

Legend: P texts, T tokens of a text, S special tokens of a slot.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tokenizers import Encoding, Tokenizer

from spanline.common.errors import SpanlineError
from spanline.dataset.records import WHITESPACE
from spanline.featurize.pieces import Pieces, cut_at_spaces
from spanline.storage.ragged import Array, Ragged, bounds_of, ranges

MOST_REMEMBERED = 1 << 20  # pieces: bounds memory


@dataclass(frozen=True)
class Template:
    """How the tokenizer's post-processor joins a question and a context: `before question between context after`.

    BERT's: `[CLS] question [SEP] context [SEP]`. XLNet's: `question <sep> context <sep> <cls>`.
    """

    before: Array  # (S,) token ids
    between: Array  # (S,)
    after: Array  # (S,)
    before_types: Array  # (S,) token type ids
    between_types: Array  # (S,)
    after_types: Array  # (S,)
    question_type: int
    context_type: int
    null_slot: str  # before, between or after: where the token is that means "no answer" ...
    null_index: int  # ... and its index there

    @property
    def num_special(self) -> int:
        """Special tokens of a feature."""
        return len(self.before) + len(self.between) + len(self.after)


@dataclass(frozen=True)
class EncodedTexts:
    """Token ids (T,) uint32 of P texts and, for contexts, the characters (T,) int32 that each token covers."""

    ids: Ragged
    offset_starts: Ragged
    offset_ends: Ragged


@dataclass(frozen=True)
class Words:
    """The words of a text as its tokenizer sees them, in order: punctuation marks are words of their own, as a rule."""

    starts: Array  # (W,) characters of the text
    ends: Array  # (W,) exclusive


class PairTokenizer:
    """The tokenizer of one model. It encodes questions and contexts apart; `template` says how to join them.

    Where the tokenizer provably treats the parts of a text between spaces each by itself, every distinct part is
    encoded once and remembered (`in_pieces`); else every text is encoded whole.
    """

    def __init__(self, path: Path) -> None:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the cores are shared out by processes, one thread each
        self.tokenizer = _load(path)
        self.vocab_size = self.tokenizer.get_vocab_size(with_added_tokens=True)
        self.template = _template(path, self.tokenizer.encode("a", "b"))
        self.in_pieces = _is_cut_at_spaces(self.tokenizer)
        self._memory = _Memory(self.tokenizer)

    def questions(self, texts: pa.StringArray) -> Ragged:
        """Token ids (T,) of each question, without special tokens. Leading whitespace is dropped: some tokenizers make
        tokens of it, and no question means anything by it."""
        return self._encode(pc.utf8_ltrim(texts, characters=WHITESPACE)).ids

    def contexts(self, texts: pa.StringArray) -> EncodedTexts:
        """Token ids and offsets of each context, without special tokens."""
        return self._encode(texts)

    def _encode(self, texts: pa.StringArray) -> EncodedTexts:
        if self.in_pieces:
            pieces = cut_at_spaces(texts)
            return _put_together(pieces, *self._memory.encode(pieces.distinct.to_pylist()))
        return _encode_whole(self.tokenizer, texts.to_pylist())

    def words(self, text: str) -> Words | None:
        """The words of the text; None where the tokenizer knows no words, or leaves tokens outside of them."""
        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        numbers = encoding.word_ids
        if not numbers or None in numbers:
            return None
        word = np.array(numbers)
        offsets = np.array(encoding.offsets, dtype=np.int32)
        first = np.flatnonzero(np.diff(word, prepend=-1))
        last = np.append(first[1:], len(word)) - 1
        return Words(offsets[first, 0], offsets[last, 1])

    def question_length(self, text: str) -> int:
        """Tokens of the question, uncut."""
        return len(self.tokenizer.encode(text.lstrip(), add_special_tokens=False))

    def cut_question(self, text: str, limit: int) -> str:
        """As much of the question, without leading whitespace, as makes at most `limit` tokens."""
        bare = text.lstrip()
        encoding = self.tokenizer.encode(bare, add_special_tokens=False)
        while len(encoding) > limit:  # again, for a cut inside a word may make more tokens of its rest
            bare = bare[: min(encoding.offsets[limit - 1][1], len(bare) - 1)]
            encoding = self.tokenizer.encode(bare, add_special_tokens=False)
        return bare

    def windows(self, question: str, context: str, max_length: int, doc_stride: int) -> list[Encoding]:
        """The library's own features of a pair: the second text truncated, the rest in overlapping windows."""
        self.tokenizer.enable_truncation(max_length, stride=doc_stride, strategy="only_second")
        try:
            first = self.tokenizer.encode(question, context)
        finally:
            self.tokenizer.no_truncation()
        return [first, *first.overflowing]


def _load(path: Path) -> Tokenizer:
    if not path.is_file():
        raise SpanlineError(
            path, "there is no such file", "choose an encoder whose tokenizer has a fast file (tokenizer.json)"
        )
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception for whatever it can't parse
        raise SpanlineError(
            path, f"is no tokenizer: {error}", "make the checkpoint anew: dvc repro checkpoint"
        ) from None
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _encode_whole(tokenizer: Tokenizer, texts: list[str]) -> EncodedTexts:
    encodings = tokenizer.encode_batch(texts, add_special_tokens=False)
    lengths = np.fromiter((len(encoding) for encoding in encodings), dtype=np.int64, count=len(encodings))
    bounds = bounds_of(lengths)
    ids = np.fromiter(chain.from_iterable(encoding.ids for encoding in encodings), np.uint32, count=bounds[-1])
    pairs = chain.from_iterable(chain.from_iterable(encoding.offsets for encoding in encodings))
    offsets = np.fromiter(pairs, dtype=np.int32, count=2 * bounds[-1]).reshape(-1, 2)
    return EncodedTexts(Ragged(ids, bounds), Ragged(offsets[:, 0].copy(), bounds), Ragged(offsets[:, 1].copy(), bounds))


class _Memory:
    """The encodings of pieces seen so far."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._rows: dict[str, int] = {}
        self._encoded = _encode_whole(tokenizer, [])

    def encode(self, pieces: list[str]) -> tuple[EncodedTexts, Array]:
        """All remembered encodings, and for each of the D pieces its row (D,) among them."""
        if len(self._rows) > MOST_REMEMBERED:
            self._rows, self._encoded = {}, _encode_whole(self._tokenizer, [])
        new = [piece for piece in pieces if piece not in self._rows]
        self._rows.update(zip(new, range(len(self._rows), len(self._rows) + len(new)), strict=True))
        self._encoded = _joined(self._encoded, _encode_whole(self._tokenizer, new))
        return self._encoded, np.array([self._rows[piece] for piece in pieces], np.int64)


def _joined(first: EncodedTexts, second: EncodedTexts) -> EncodedTexts:
    bounds = np.append(first.ids.bounds, first.ids.bounds[-1] + second.ids.bounds[1:])
    pairs = ((getattr(first, name).values, getattr(second, name).values) for name in vars(first))
    return EncodedTexts(*(Ragged(np.concatenate(pair), bounds) for pair in pairs))


def _put_together(pieces: Pieces, encoded: EncodedTexts, row_of: Array) -> EncodedTexts:
    """The encodings of texts from those of their pieces: ids one after the other, offsets moved along."""
    rows = row_of[pieces.rows]
    lengths = encoded.ids.lengths[rows]
    tokens = ranges(encoded.ids.bounds[rows], lengths)
    bounds = bounds_of(lengths)[pieces.bounds]
    shifts = np.repeat(pieces.starts.astype(np.int32), lengths)
    return EncodedTexts(
        Ragged(encoded.ids.values[tokens], bounds),
        Ragged(encoded.offset_starts.values[tokens] + shifts, bounds),
        Ragged(encoded.offset_ends.values[tokens] + shifts, bounds),
    )


def _is_cut_at_spaces(tokenizer: Tokenizer) -> bool:
    """Whether a text's encoding is that of its pieces (`pieces.cut_at_spaces`), one after the other, by what the
    tokenizer's file says.

    - The pre-tokenizers of BERT and of byte-level models (with GPT-2's pattern) split before a single space between two
      other characters, and the model sees each of their parts by itself.
    - BERT's normalizer goes by the character or the combining sequence, of which a space is never a part; so does NFC.
    - No added token reaches over such a space.
    """
    spec = json.loads(tokenizer.to_str())
    pre_tokenizer, normalizer = spec["pre_tokenizer"] or {}, spec["normalizer"] or {"type": None}
    kind = (pre_tokenizer.get("type"), normalizer["type"])
    known = kind in {("BertPreTokenizer", None), ("BertPreTokenizer", "BertNormalizer")} or (
        kind in {("ByteLevel", None), ("ByteLevel", "NFC")} and pre_tokenizer.get("use_regex", True)
    )
    alone = not any(_reaches_over_spaces(token) for token in spec["added_tokens"])
    return known and alone and not spec["model"].get("dropout") and _is_same_in_pieces(tokenizer)


def _reaches_over_spaces(added_token: dict[str, Any]) -> bool:
    return bool(added_token["rstrip"] or added_token["single_word"] or re.search(r"\S ", added_token["content"]))


def _is_same_in_pieces(tokenizer: Tokenizer) -> bool:
    """Fails for post-processors with `add_prefix_space`: they treat a leading space as the one they added and trim it
    from the offsets."""
    texts = pa.array(["a b"])
    whole, pieces = _encode_whole(tokenizer, texts.to_pylist()), cut_at_spaces(texts)
    parts = _put_together(pieces, _encode_whole(tokenizer, pieces.distinct.to_pylist()), np.arange(2))
    return all(np.array_equal(getattr(whole, name).values, getattr(parts, name).values) for name in vars(whole))


def _template(path: Path, pair: Encoding) -> Template:
    """Read the template off the encoding of a pair of one-letter texts."""
    sequence = pair.sequence_ids
    if 0 not in sequence or 1 not in sequence:
        raise SpanlineError(path, "does not encode a pair of texts", "choose an encoder that was made for pairs")
    ids, types = np.array(pair.ids, np.uint32), np.array(pair.type_ids, np.uint8)
    question, context = (np.flatnonzero([s == which for s in sequence]) for which in (0, 1))
    if question[0] > context[0]:
        raise SpanlineError(path, "puts the second text before the first", "choose another encoder")
    slots = {
        "before": np.arange(question[0]),
        "between": np.arange(question[-1] + 1, context[0]),
        "after": np.arange(context[-1] + 1, len(ids)),
    }
    null_slot, null_index = _null(path, {name: ids[where].tolist() for name, where in slots.items()})
    return Template(
        **{name: ids[where] for name, where in slots.items()},
        **{f"{name}_types": types[where] for name, where in slots.items()},
        question_type=int(types[question[0]]),
        context_type=int(types[context[0]]),
        null_slot=null_slot,
        null_index=null_index,
    )


def _null(path: Path, slots: dict[str, list[int]]) -> tuple[str, int]:
    """Where "no answer" stands: the special token that occurs once ([CLS]; separators occur twice), else the first."""
    places = [(name, index, token) for name, tokens in slots.items() for index, token in enumerate(tokens)]
    if not places:
        raise SpanlineError(
            path, "adds no special token, so no position can mean 'no answer'", "choose another encoder"
        )
    counts = Counter(token for _, _, token in places)
    name, index, _ = next((place for place in places if counts[place[2]] == 1), places[0])
    return name, index

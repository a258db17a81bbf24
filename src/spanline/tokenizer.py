"""A tokenizer.json, reduced to what features need: token ids, character offsets, and how a pair is put together.

Legend: P texts, T tokens of a text, S special tokens of a slot.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Encoding, Tokenizer

from spanline.errors import SpanlineError
from spanline.ragged import Ragged, bounds_of

Array = np.ndarray[Any, Any]


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
    null_slot: str  # before, between or after: where the token stands that means "no answer" ...
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
    """The tokenizer of one model. It encodes questions and contexts apart; `template` says how to join them."""

    def __init__(self, path: Path) -> None:
        self.tokenizer = _load(path)
        self.vocab_size = self.tokenizer.get_vocab_size(with_added_tokens=True)
        self.template = _template(path, self.tokenizer.encode("a", "b"))

    def questions(self, texts: Sequence[str]) -> Ragged:
        """Token ids (T,) of each question, without special tokens. Leading blanks are dropped: some tokenizers make
        tokens of them, and no question means anything by them."""
        stripped = [text.lstrip() for text in texts]
        return _ids(self.tokenizer.encode_batch_fast(stripped, add_special_tokens=False))

    def contexts(self, texts: Sequence[str]) -> EncodedTexts:
        """Token ids and offsets of each context, without special tokens."""
        encodings = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        ids = _ids(encodings)
        pairs = chain.from_iterable(chain.from_iterable(encoding.offsets for encoding in encodings))
        offsets = np.fromiter(pairs, dtype=np.int32, count=2 * len(ids.values)).reshape(-1, 2)
        return EncodedTexts(ids, Ragged(offsets[:, 0].copy(), ids.bounds), Ragged(offsets[:, 1].copy(), ids.bounds))

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
        """As much of the question, from its first non-blank on, as makes at most `limit` tokens."""
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


def use_threads(workers: int) -> None:
    """Let the library use `workers` threads (0: all cores). Call before the first encoding."""
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    if workers:
        os.environ["RAYON_NUM_THREADS"] = str(workers)


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


def _ids(encodings: Sequence[Encoding]) -> Ragged:
    lengths = np.fromiter((len(encoding) for encoding in encodings), dtype=np.int64, count=len(encodings))
    values = chain.from_iterable(encoding.ids for encoding in encodings)
    return Ragged(np.fromiter(values, dtype=np.uint32, count=int(lengths.sum())), bounds_of(lengths))


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

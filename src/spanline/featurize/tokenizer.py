"""A tokenizer.json, reduced to what features need: token ids, character offsets, and how a pair is put together.

Legend: P texts, T tokens of a text, S special tokens of a slot.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tokenizers import Encoding, Tokenizer

from spanline.common.errors import SpanlineError
from spanline.common.memory import raise_if_out_of_memory
from spanline.dataset.records import WHITESPACE
from spanline.featurize.pieces import Pieces, cut_at_spaces
from spanline.storage.ragged import Array, Ragged, bounds_of, ranges
from spanline.tokens import offsets
from spanline.tokens.offsets import Characters

_RAGGED = ("ids", "offset_starts", "offset_ends")  # of EncodedTexts
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
    """Token ids (T,) uint32 of P texts and, for contexts, the characters (T,) int32 that each token covers: its own,
    and those next to it that belong to no token (`offsets.complete`)."""

    ids: Ragged
    offset_starts: Ragged
    offset_ends: Ragged
    num_uncovered: Array  # (P,) characters that show something and belong to no token all the same


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
        self.whole = _with_right_offsets(path, _load(path))
        self.tokenizer = self.whole.tokenizer
        self.vocab_size = self.tokenizer.get_vocab_size(with_added_tokens=True)
        self.template = _template(path, self.tokenizer.encode("a", "b"))
        self.in_pieces = _is_cut_at_spaces(self.whole)
        self._memory = _Memory(self.whole)

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
        return self.whole(texts.to_pylist())

    def offsets(self, text: str, given: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """The offsets that the library gives to the tokens of a whole text, as `contexts` has them."""
        pairs, bounds = np.array(given, np.int64).reshape(-1, 2), np.array([0, len(given)])
        characters = Characters.of([text])
        starts, ends = self.whole.usable(characters, Ragged(pairs[:, 0], bounds), Ragged(pairs[:, 1], bounds))
        return list(zip(starts.values.tolist(), ends.values.tolist(), strict=True))

    def words(self, text: str) -> Words | None:
        """The words of the text; None where the tokenizer knows no words, or leaves tokens outside of them."""
        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        numbers = encoding.word_ids
        if not numbers or None in numbers:
            return None
        word = np.array(numbers)
        offsets = np.array(self.offsets(text, encoding.offsets), dtype=np.int32)
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
        raise_if_out_of_memory(error)
        raise SpanlineError(
            path, f"is no tokenizer: {error}", "make the checkpoint anew: dvc repro checkpoint"
        ) from None
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


class WholeTexts:
    """Encodes texts each as a whole, with usable offsets."""

    def __init__(self, path: Path, tokenizer: Tokenizer, trims: bool) -> None:
        self.tokenizer = tokenizer
        self._path, self._trims = path, trims  # whether spaces must be trimmed off the offsets here

    def __call__(self, texts: list[str]) -> EncodedTexts:
        """SpanlineError where the tokenizer's offsets cannot be right."""
        ids, starts, ends = self._encode(texts)
        characters = Characters.of(texts)
        self._refuse_wrong(texts, characters, starts, ends)
        starts, ends = self.usable(characters, starts, ends)
        num_uncovered = bounds_of(offsets.uncovered(characters, starts, ends))[characters.bounds]
        return EncodedTexts(ids, starts, ends, np.diff(num_uncovered))

    def _encode(self, texts: list[str]) -> tuple[Ragged, Ragged, Ragged]:
        """Token ids, starts and ends as the library gives them."""
        encodings = self.tokenizer.encode_batch(texts, add_special_tokens=False)
        lengths = np.fromiter((len(encoding) for encoding in encodings), dtype=np.int64, count=len(encodings))
        bounds = bounds_of(lengths)
        ids = np.fromiter(chain.from_iterable(encoding.ids for encoding in encodings), np.uint32, count=bounds[-1])
        pairs = chain.from_iterable(chain.from_iterable(encoding.offsets for encoding in encodings))
        found = np.fromiter(pairs, dtype=np.int32, count=2 * bounds[-1]).reshape(-1, 2)
        return Ragged(ids, bounds), Ragged(found[:, 0].copy(), bounds), Ragged(found[:, 1].copy(), bounds)

    def usable(self, characters: Characters, starts: Ragged, ends: Ragged) -> tuple[Ragged, Ragged]:
        """The library's offsets, completed."""
        if self._trims:
            starts, ends = offsets.trimmed(characters, starts, ends)
        return offsets.complete(characters, starts, ends)

    def _refuse_wrong(self, texts: list[str], characters: Characters, starts: Ragged, ends: Ragged) -> None:
        """A check that does not trust the tokenizer: offsets stay in the text and rise with the tokens, and those of
        plain words (ASCII letters and digits) leave none of their characters out, unless the tokenizer drops them also
        where the word stands alone."""
        falling = np.flatnonzero(offsets.falls(characters, starts, ends))
        if len(falling):
            raise self._wrong(f"that fall or leave the text, in {_beginning(texts[falling[0]])!r}")
        left_out = offsets.uncovered(characters, starts, ends) & offsets.is_plain(characters.codes)
        if left_out.any():
            for word in _words_at(texts, characters, np.flatnonzero(left_out)):
                _, alone_starts, alone_ends = self._encode([word])
                if not offsets.uncovered(Characters.of([word]), alone_starts, alone_ends).any():
                    raise self._wrong(f"that leave out a part of the word {word!r}")

    def _wrong(self, what: str) -> SpanlineError:
        todo = "choose an encoder with another tokenizer: no answer could be cut out of a text by these"
        return SpanlineError(self._path, f"gives offsets {what}", todo)


def _beginning(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."


def _words_at(texts: list[str], characters: Characters, places: Array) -> Iterator[str]:
    """The distinct plain words of the texts that these characters, counted over all texts, lie in."""
    rows = np.searchsorted(characters.bounds, places, side="right") - 1
    seen: set[str] = set()
    for row, place in zip(rows.tolist(), (places - characters.bounds[rows]).tolist(), strict=True):
        head = re.search("[A-Za-z0-9]*$", texts[row][:place])
        tail = re.match("[A-Za-z0-9]*", texts[row][place:])
        word = head[0] + tail[0] if head and tail else ""  # both patterns always match
        if word not in seen:
            seen.add(word)
            yield word


_PROBE = ["The old boat lies, in 1902,\n  at Lake Orvel (north).", "\u00e9 \U0001f389 The end"]


def _with_right_offsets(path: Path, tokenizer: Tokenizer) -> WholeTexts:
    """The tokenizer, repaired if it must be; SpanlineError for offsets that cannot be repaired.

    RobBERT's puts a space before every word and then trims from a word's offsets what it takes for a space of the
    text. Without its trimming they are right, and spaces are trimmed here.
    """
    found = WholeTexts(path, tokenizer, trims=False)
    try:
        found(_PROBE)
    except SpanlineError:
        spec = json.loads(tokenizer.to_str())
        found = WholeTexts(path, Tokenizer.from_str(json.dumps(_without_trimming(spec))), trims=True)
        found(_PROBE)
    return found


def _without_trimming(spec: Any) -> Any:
    """The specification with `trim_offsets` false wherever it stands."""
    if isinstance(spec, dict):
        return {key: False if key == "trim_offsets" else _without_trimming(value) for key, value in spec.items()}
    return [_without_trimming(value) for value in spec] if isinstance(spec, list) else spec


class _Memory:
    """The encodings of pieces seen so far."""

    def __init__(self, whole: WholeTexts) -> None:
        self._whole = whole
        self._rows: dict[str, int] = {}
        self._encoded = whole([])

    def encode(self, pieces: list[str]) -> tuple[EncodedTexts, Array]:
        """All remembered encodings, and for each of the D pieces its row (D,) among them."""
        if len(self._rows) > MOST_REMEMBERED:
            self._rows, self._encoded = {}, self._whole([])
        new = [piece for piece in pieces if piece not in self._rows]
        self._rows.update(zip(new, range(len(self._rows), len(self._rows) + len(new)), strict=True))
        self._encoded = _joined(self._encoded, self._whole(new))
        return self._encoded, np.array([self._rows[piece] for piece in pieces], np.int64)


def _joined(first: EncodedTexts, second: EncodedTexts) -> EncodedTexts:
    bounds = np.append(first.ids.bounds, first.ids.bounds[-1] + second.ids.bounds[1:])
    pairs = ((getattr(first, name).values, getattr(second, name).values) for name in _RAGGED)
    ids, starts, ends = (Ragged(np.concatenate(pair), bounds) for pair in pairs)
    return EncodedTexts(ids, starts, ends, np.append(first.num_uncovered, second.num_uncovered))


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
        np.diff(bounds_of(encoded.num_uncovered[rows])[pieces.bounds]),
    )


def _is_cut_at_spaces(whole: WholeTexts) -> bool:
    """Whether a text's encoding is that of its pieces (`pieces.cut_at_spaces`), one after the other, by what the
    tokenizer's file says.

    - The pre-tokenizers of BERT and of byte-level models (with GPT-2's pattern) split before a single space between two
      other characters, and the model sees each of their parts by itself.
    - BERT's normalizer goes by the character or the combining sequence, of which a space is never a part; so does NFC.
    - No added token reaches over such a space.
    """
    spec = json.loads(whole.tokenizer.to_str())
    pre_tokenizer, normalizer = spec["pre_tokenizer"] or {}, spec["normalizer"] or {"type": None}
    kind = (pre_tokenizer.get("type"), normalizer["type"])
    known = kind in {("BertPreTokenizer", None), ("BertPreTokenizer", "BertNormalizer")} or (
        kind in {("ByteLevel", None), ("ByteLevel", "NFC")} and pre_tokenizer.get("use_regex", True)
    )
    alone = not any(_reaches_over_spaces(token) for token in spec["added_tokens"])
    return known and alone and not spec["model"].get("dropout") and _is_same_in_pieces(whole)


def _reaches_over_spaces(added_token: dict[str, Any]) -> bool:
    return bool(added_token["rstrip"] or added_token["single_word"] or re.search(r"\S ", added_token["content"]))


def _is_same_in_pieces(whole: WholeTexts) -> bool:
    """Fails for post-processors with `add_prefix_space`: they treat a leading space as the one they added and trim it
    from the offsets."""
    texts = pa.array(["a b"])
    own, pieces = whole(texts.to_pylist()), cut_at_spaces(texts)
    parts = _put_together(pieces, whole(pieces.distinct.to_pylist()), np.arange(2))
    return all(np.array_equal(getattr(own, name).values, getattr(parts, name).values) for name in _RAGGED)


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

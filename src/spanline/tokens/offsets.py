"""Which characters of a text belong to which of its tokens: the one place that knows.

A tokenizer's own offsets leave out what its normalizer drops or merges: accents that are characters of their own,
vowel signs, joiners, variation selectors, marks of direction. Somebody who points at a word means them too. So a token
also gets the characters next to it that belong to no token:

    those that follow it      R e n e ◌́ _ w a s       "Rene" covers 0 to 4 of its own, now 0 to 5
    those before it, where nothing else stands before them: at a text's beginning, after a blank or a punctuation mark
    that belongs to no token either

up to the first *separator*: whitespace, an ASCII control character, zero-width spaces, punctuation. They stand for
themselves, and belong to no neighbour.

Every user of offsets calls this: features (so labels, search and answers), `ask`, entities.

Legend: P texts, T tokens of a text, L characters of all texts together.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_letters, digits, punctuation

import numpy as np

from spanline.storage.ragged import Array, Ragged

ZERO_WIDTH_SPACES = "\u200b\ufeff"  # they part words as a blank does; the second is also the byte order mark
_UNKNOWN, _SEPARATOR, _BLANK, _OTHER = range(4)
_PLAIN = np.isin(np.arange(0x80), [ord(character) for character in ascii_letters + digits])
_kinds = np.zeros(0x110000, np.uint8)  # what each character is, filled in as characters are met


@dataclass(frozen=True)
class Characters:
    """P texts as one row of L characters."""

    codes: Array  # (L,) uint32 code points
    bounds: Array  # (P + 1,) where each text begins

    @staticmethod
    def of(texts: Sequence[str]) -> Characters:
        """UnicodeEncodeError when one holds half of a surrogate pair."""
        codes = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32)
        bounds = np.zeros(len(texts) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)), out=bounds[1:])
        return Characters(codes, bounds)

    @property
    def is_solid(self) -> Array:
        """(L,) bool: the character shows something, or changes what its neighbour shows."""
        found: Array = self._kinds() != _BLANK
        return found

    @property
    def is_other(self) -> Array:
        """(L,) bool: the character is no separator."""
        found: Array = self._kinds() == _OTHER
        return found

    def _kinds(self) -> Array:
        found: Array = _kinds[self.codes]
        new = np.unique(self.codes[found == _UNKNOWN]).tolist()
        if new:
            _kinds[new] = [_kind(chr(code)) for code in new]
            found = _kinds[self.codes]
        return found


def _kind(character: str) -> int:
    category = unicodedata.category(character)
    if character.isspace() or category == "Cc" or character in ZERO_WIDTH_SPACES:
        return _BLANK
    return _SEPARATOR if category.startswith("P") or character in punctuation else _OTHER


def complete(characters: Characters, starts: Ragged, ends: Ragged) -> tuple[Ragged, Ragged]:
    """The offsets of each text's tokens, the characters that belong to no token added to their neighbours.

    Both must rise within a text (`falls`), though several tokens may cover the same characters: all of these get them.
    """
    if not len(starts.values):
        return starts, ends
    base = np.repeat(characters.bounds[:-1], starts.lengths)  # of each token's text, among all characters
    stop = np.repeat(characters.bounds[1:], starts.lengths)
    given = _Tokens(starts.values + base, ends.values + base, base, stop)
    is_other = characters.is_other
    new_ends, new_starts = _moved_ends(given, is_other) - base, _moved_starts(given, is_other) - base
    kind = starts.values.dtype
    return Ragged(new_starts.astype(kind), starts.bounds), Ragged(new_ends.astype(kind), ends.bounds)


@dataclass(frozen=True)
class _Tokens:
    """All tokens of all texts; characters are counted over all texts."""

    start: Array
    end: Array
    base: Array  # where the token's text begins
    stop: Array  # where it ends


def _moved_ends(tokens: _Tokens, is_other: Array) -> Array:
    """The ends, moved on over the characters that belong to no token."""
    ends = tokens.end.copy()
    following = np.append(
        np.where(tokens.start < tokens.end, tokens.start, -1)[1:], -1
    )  # mostly the end itself, or one blank further on
    at = np.flatnonzero((tokens.start < tokens.end) & (tokens.end < tokens.stop) & (tokens.end != following))
    at = at[is_other[ends[at]]]
    if len(at):
        solid = np.flatnonzero(tokens.start < tokens.end)
        next_one = np.searchsorted(tokens.start[solid], ends[at])  # the first that starts there or later
        is_free = np.maximum.accumulate(ends[solid])[next_one - 1] == ends[at]
        limit = np.minimum(np.append(tokens.start[solid], len(is_other))[next_one], tokens.stop[at])
        separators = np.append(np.flatnonzero(~is_other), len(is_other))
        moved = np.minimum(separators[np.searchsorted(separators, ends[at])], limit)
        ends[at] = np.where(is_free, moved, ends[at])
    return ends


def _moved_starts(tokens: _Tokens, is_other: Array) -> Array:
    """The starts, moved back over the characters that belong to no token and touch none before."""
    starts = tokens.start.copy()
    own_end = np.where(starts < tokens.end, tokens.end, tokens.base)  # an empty token reaches nowhere
    before = np.append(-1, own_end[:-1])  # mostly the start itself, or one blank before it
    at = np.flatnonzero((starts > tokens.base) & (starts != before))
    at = at[is_other[starts[at] - 1]]
    if len(at):
        reached = np.append(-1, np.maximum.accumulate(own_end))[np.searchsorted(starts, starts[at])]
        limit = np.maximum(reached, tokens.base[at])  # so far reach the tokens of the text that start earlier
        separators = np.append(-1, np.flatnonzero(~is_other))
        moved = separators[np.searchsorted(separators, starts[at]) - 1] + 1
        is_free = (limit < starts[at]) & ((moved > limit) | (reached <= tokens.base[at]))
        starts[at] = np.where(is_free, np.maximum(moved, limit), starts[at])
    return starts


def falls(characters: Characters, starts: Ragged, ends: Ragged) -> Array:
    """(P,) bool: starts or ends of the text's tokens fall somewhere, or a token ends before it starts or behind the
    text."""
    text = np.repeat(np.arange(len(starts)), starts.lengths)
    is_wrong = (starts.values > ends.values) | (ends.values > np.diff(characters.bounds)[text])
    for values in (starts.values, ends.values):
        is_wrong[1:] |= (values[1:] < values[:-1]) & (text[1:] == text[:-1])
    found: Array = np.bincount(text[is_wrong], minlength=len(starts)) > 0
    return found


def trimmed(characters: Characters, starts: Ragged, ends: Ragged) -> tuple[Ragged, Ragged]:
    """The offsets without the spaces (U+0020) at a token's ends; a token of spaces alone ends up empty, at its end."""
    base = np.repeat(characters.bounds[:-1], starts.lengths)
    first, last = starts.values + base, ends.values + base
    is_space = np.append(characters.codes == ord(" "), False)
    moving = np.flatnonzero(first < last)
    while len(moving := moving[is_space[first[moving]]]):
        first[moving] += 1
        moving = moving[first[moving] < last[moving]]
    moving = np.flatnonzero(first < last)
    while len(moving := moving[is_space[last[moving] - 1]]):
        last[moving] -= 1
    kind = starts.values.dtype
    return Ragged((first - base).astype(kind), starts.bounds), Ragged((last - base).astype(kind), ends.bounds)


def uncovered(characters: Characters, starts: Ragged, ends: Ragged) -> Array:
    """(L,) bool: characters that show something and belong to no token."""
    base = np.repeat(characters.bounds[:-1], starts.lengths)
    size = len(characters.codes) + 1
    depth = np.bincount(starts.values + base, minlength=size) - np.bincount(ends.values + base, minlength=size)
    is_uncovered: Array = (np.cumsum(depth)[:-1] == 0) & characters.is_solid
    return is_uncovered


def is_plain(codes: Array) -> Array:
    """(L,) bool: an ASCII letter or digit, which no tokenizer has a reason to leave out of a word."""
    found: Array = _PLAIN[np.minimum(codes, 0x7F)]
    return found

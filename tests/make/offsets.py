"""Offsets completed by walking over single characters: what `spanline.tokens.offsets` is held to."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from tokenizers import Encoding


def stands_alone(character: str) -> bool:
    """Whitespace, control characters, zero-width spaces and punctuation."""
    category = unicodedata.category(character)
    is_punctuation = category[0] == "P" or (character.isascii() and not character.isalnum())
    return character.isspace() or category == "Cc" or character in "\u200b\ufeff" or is_punctuation


def completed(text: str, offsets: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Each token with the characters of no token that follow it, or that stand before it with nothing else there."""
    owned = {character for start, end in offsets for character in range(start, end)}
    ends = {end for start, end in offsets if start < end}
    free = {at for at, character in enumerate(text) if at not in owned and not stands_alone(character)}
    found = []
    for start, end in offsets:
        first, last = start, end
        while first - 1 in free:
            first -= 1
        while start < end and last in free:
            last += 1
        found.append((start if first in ends else first, last))
    return found


def of_windows(text: str, windows: Sequence[Encoding], doc_stride: int) -> list[list[tuple[int, int]]]:
    """The completed offsets of the context tokens of each of the library's own windows of a pair."""
    shown = [[pair for pair, which in zip(w.offsets, w.sequence_ids, strict=True) if which == 1] for w in windows]
    every: list[tuple[int, int]] = []
    begins = []
    for pairs in shown:
        begins.append(max(len(every) - doc_stride, 0))
        every += pairs[len(every) - begins[-1] :]
    every = completed(text, every)
    return [every[begin : begin + len(pairs)] for begin, pairs in zip(begins, shown, strict=True)]

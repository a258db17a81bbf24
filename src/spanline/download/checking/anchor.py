"""Finding an answer again whose offset is wrong, or whose white space or Unicode form is not the context's.

A match counts only if it is at the given offset, or the one near it, or the only one in the context: a guess between
several would be a label that nobody gave.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import NamedTuple

NEAR_CHARACTERS = 20  # to both sides of the given offset
# Characters that show nothing although Unicode counts them as letters, marks or symbols: fillers, variation selectors.
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0" + "".join(map(chr, range(0xFE00, 0xFE10))))


class Span(NamedTuple):
    """Half-open characters of the context."""

    start: int
    end: int


def shows(text: str) -> bool:
    """Whether anything of it can be seen: white space, zero-width characters and fillers can't."""
    return (text[:1].isascii() and text[:1].isalnum()) or any(map(_shows, text))


def _shows(character: str) -> bool:
    return not (character.isspace() or character in _FILLERS or unicodedata.category(character) in ("Cf", "Cc"))


def locate(text: str, start: int | None, context: str) -> Span | None:
    """Where the context has `text`, letter by letter or else in another spelling; None: nowhere, or not surely."""
    spans = exact_spans(text, context) or spelled_spans(text, context)
    there = [span for span in spans if span.start == start]
    near = [span for span in spans if start is not None and abs(span.start - start) <= NEAR_CHARACTERS]
    for candidates in (there, near, spans):
        if len(candidates) == 1:
            return candidates[0]
    return None


def exact_spans(text: str, context: str) -> list[Span]:
    """Every place where the context has the text letter by letter, overlapping ones too."""
    return [Span(start, start + len(text)) for start in _starts(text, context)]


def spelled_spans(text: str, context: str) -> list[Span]:
    """Every place where the context has the text but for white space, zero-width characters and Unicode forms (NFC,
    NFD, NFKC, NFKD: composed or decomposed accents, full-width letters, ligatures); whole characters only."""
    wanted = "".join(letter for letter, _ in _folded(text))
    letters, places = _folded_context(context)
    spans = []
    for start in _starts(wanted, letters) if wanted else []:
        end = start + len(wanted)
        if _is_edge(letters, places, start) and _is_edge(letters, places, end):
            spans.append(Span(places[start], max(places[start:end]) + 1))
    return spans


def _starts(wanted: str, text: str) -> list[int]:
    found, start = [], text.find(wanted)
    while start >= 0:
        found.append(start)
        start = text.find(wanted, start + 1)
    return found


def _is_edge(letters: str, places: list[int], at: int) -> bool:
    """Whether a character of the text begins there (or the text ends), with no mark of the one before."""
    if at in (0, len(letters)):
        return True
    return places[at] != places[at - 1] and not unicodedata.combining(letters[at])


@lru_cache(maxsize=1)  # the answers of a paragraph come one after the other
def _folded_context(context: str) -> tuple[str, list[int]]:
    pairs = _folded(context)
    return "".join(letter for letter, _ in pairs), [place for _, place in pairs]


def _folded(text: str) -> list[tuple[str, int]]:
    """What shows of the text, decomposed (NFKD), each letter with the place of the character that it comes from."""
    pairs = [
        (letter, place)
        for place, character in enumerate(text)
        for letter in (character if character.isascii() else unicodedata.normalize("NFKD", character))
        if _shows(letter)
    ]
    return _ordered(pairs)


def _ordered(pairs: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Marks on one letter in Unicode's canonical order, as NFKD of the whole text has them."""
    at = 0
    while at < len(pairs):
        end = at
        while end < len(pairs) and unicodedata.combining(pairs[end][0]):
            end += 1
        if end - at > 1:
            pairs[at:end] = sorted(pairs[at:end], key=lambda pair: unicodedata.combining(pair[0]))
        at = end + 1
    return pairs

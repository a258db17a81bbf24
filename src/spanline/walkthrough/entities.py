"""From token labels to entities: B-/I- tags of either scheme, and four ways to settle on one label per word.

A tag is a prefix and a type: B-PER begins a person, I-PER goes on with one, O is outside of all. In *IOB2* every entity
begins with B-; in *IOB1* only one that follows an entity of its own type does, all others begin with I-. One rule reads
both: an entity goes on while the type stays the same and no B- comes. Tags without a prefix count as I-.

        Ada    Lovelace  met    Charles  Babbage    IOB1 = IOB2 with I- for each first B-
        B-PER  I-PER     O      B-PER    I-PER      -> Ada Lovelace, Charles Babbage
        I-PER  I-PER     O      I-PER    I-PER      -> the same
        I-PER  I-PER     I-PER  B-PER    I-PER      -> Ada Lovelace met, Charles Babbage

Legend: T tokens, L labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np

from spanline.common.errors import SpanlineError
from spanline.storage.ragged import Array
from spanline.walkthrough.steps import Tokens

Aggregation = Literal["simple", "first", "average", "max"]
OUTSIDE = "O"


@dataclass(frozen=True)
class Entity:
    """A piece of the text with its type: `text == whole_text[start:end]`."""

    type: str
    score: float  # mean probability of its tokens' labels, or of its words' unless the aggregation is simple
    start: int  # characters
    end: int  # exclusive
    text: str


@dataclass(frozen=True)
class _Piece:
    """A token or a word with the label that it got."""

    tag: str
    score: float
    start: int
    end: int


def group(
    probabilities_TL: Array, labels: Sequence[str], given: Tokens, text: str, aggregation: Aggregation
) -> list[Entity]:
    """The entities of a text, in its order, without what is outside (O).

    `aggregation`: *simple* takes each token's likeliest label, so a word may be cut in two. The others give a word one
    label: that of its *first* token, the likeliest of its tokens' *average*, or that of its surest token (*max*).
    SpanlineError for another name and for probabilities of another shape.
    """
    if aggregation not in ("simple", "first", "average", "max"):
        raise SpanlineError("aggregation", f"is {aggregation!r}", "choose simple, first, average or max")
    if probabilities_TL.shape != (len(given), len(labels)):
        what = f"have shape {probabilities_TL.shape}, for {len(given)} tokens and {len(labels)} labels"
        raise SpanlineError("probabilities", what, "give one row per token, special tokens included")
    pieces = [_piece(probabilities_TL, labels, given, rows, aggregation) for rows in _rows(given, aggregation)]
    entities = []
    for first, last in runs([piece.tag for piece in pieces]):
        part = pieces[first : last + 1]
        if part[0].tag != OUTSIDE:
            start, end = part[0].start, part[-1].end
            score = float(np.mean([piece.score for piece in part]))
            entities.append(Entity(split(part[0].tag)[1], score, start, end, text[start:end]))
    return entities


def runs(tags: Sequence[str]) -> list[tuple[int, int]]:
    """First and last (inclusive) of the tags that belong together, in order; runs of O are among them."""
    found: list[tuple[int, int]] = []
    for at, tag in enumerate(tags):
        prefix, kind = split(tag)
        if found and prefix != "B" and kind == split(tags[at - 1])[1]:
            found[-1] = (found[-1][0], at)
        else:
            found.append((at, at))
    return found


def split(tag: str) -> tuple[str, str]:
    """The prefix, B or I, and the type of a tag; a tag without either is its own type, and goes on."""
    return (tag[0], tag[2:]) if tag.startswith(("B-", "I-")) else ("I", tag)


def _rows(given: Tokens, aggregation: Aggregation) -> list[list[int]]:
    """The tokens of each piece: one each, or those of a word; special tokens are in none."""
    rows = [row for row, sequence in enumerate(given.sequences) if sequence is not None]
    if aggregation == "simple":
        return [[row] for row in rows]
    # a token that its tokenizer counts to no word is one by itself
    return [list(part) for _, part in groupby(rows, lambda row: (given.words[row], given.words[row] is None and row))]


def _piece(
    probabilities_TL: Array, labels: Sequence[str], given: Tokens, rows: list[int], aggregation: Aggregation
) -> _Piece:
    scores_L = _settled(probabilities_TL[rows], aggregation)
    label = int(scores_L.argmax())
    return _Piece(labels[label], float(scores_L[label]), given.offsets[rows[0]][0], given.offsets[rows[-1]][1])


def _settled(scores: Array, aggregation: Aggregation) -> Array:
    """(L,) of a word's (tokens, L); a single token is its own answer in all of them."""
    if aggregation == "average":
        return np.asarray(scores.mean(axis=0))
    return np.asarray(scores[scores.max(axis=1).argmax()] if aggregation == "max" else scores[0])

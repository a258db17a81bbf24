"""An answer is found again only where that is sure, in whatever white space and Unicode form the context has."""

from __future__ import annotations

import random
import unicodedata

import pytest

from spanline.download.checking import anchor

CONTEXT = "The river Orvel is 12 km long. In 1990 it froze; in 1991 it did not. Ren\u00e9 saw it."


@pytest.mark.parametrize(
    ("text", "start", "found"),
    [
        ("Orvel", 10, "Orvel"),
        ("Orvel", None, "Orvel"),
        ("Orvel", 70, "Orvel"),  # far off, but the only one
        ("it", 41, None),  # two are near
        ("it", 82, "it"),  # "saw it", the only one near
        ("it", None, None),  # three
        ("12  km", 19, "12 km"),
        ("12\u00a0km", 19, "12 km"),
        ("12km", 19, "12 km"),
        ("\u200b12 km ", None, "12 km"),
        ("Rene\u0301", None, "Ren\u00e9"),
        ("\uff32\uff45\uff4e\u00e9", None, "Ren\u00e9"),  # full-width letters
        ("Rene", None, None),  # the mark belongs to the e
        ("Orval", 10, None),
        ("orvel", 10, None),  # another case is another text
    ],
)
def test_where_it_is_found(text: str, start: int | None, found: str | None) -> None:
    span = anchor.locate(text, start, CONTEXT)
    assert (None if span is None else CONTEXT[span.start : span.end]) == found


def test_near_is_within_twenty_characters() -> None:
    context = "a" + "." * 50 + "a"  # at 0 and 51
    found = [anchor.locate("a", start, context) for start in (0, 20, 21, 30, 31, 71, 72)]
    assert found == [(0, 1), (0, 1), None, None, (51, 52), (51, 52), None]


def test_every_unicode_form_of_every_piece_is_found_where_it_is() -> None:
    """The definition: of a piece of whole characters, spelled in any form and with any white space, the place."""
    generator = random.Random(17)
    words = [
        "caf\u00e9",
        "\ud55c\uad6d\uc5b4",
        "\u0939\u093f\u0928\u094d\u0926\u0940",
        "\u1e69",
        "\u212bngstr\u00f6m",
        "\ufb01n",
        "x",
        "\u0645\u064e",
    ]
    for _ in range(300):
        context = " ".join(generator.choices(words, k=8))
        context = unicodedata.normalize(generator.choice(["NFC", "NFD"]), context)
        pieces = context.split(" ")
        first = generator.randrange(len(pieces))
        last = generator.randrange(first, min(first + 3, len(pieces)))
        text = " ".join(pieces[first : last + 1])
        start = len(" ".join(pieces[:first])) + (first > 0)
        given = unicodedata.normalize(generator.choice(["NFC", "NFD", "NFKC", "NFKD"]), text)
        given = given.replace(" ", generator.choice([" ", "\u00a0", "  ", ""]))
        assert (start, start + len(text)) in anchor.exact_spans(given, context) + anchor.spelled_spans(given, context)


def test_marks_in_another_order_are_the_same_letter() -> None:
    assert anchor.locate("q\u0307\u0323", None, "a q\u0323\u0307 b") == (2, 5)


@pytest.mark.parametrize(
    "text", ["", " ", "\n\u00a0\u3000", "\u200b\ufeff", "\u00ad\u2060", "\ufe0f", "\u3164", "\x00\x07"]
)
def test_what_shows_nothing(text: str) -> None:
    assert not anchor.shows(text)


@pytest.mark.parametrize("text", ["a", "\u200ba", ".", "\U0001f389", "\u4e2d", "\u0301", " 0 "])
def test_what_shows(text: str) -> None:
    assert anchor.shows(text)

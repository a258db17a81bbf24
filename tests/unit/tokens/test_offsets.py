"""Characters that belong to no token go with their neighbours, so that an answer in any script comes back whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanline.dataset import splits
from spanline.dataset.records import Example
from spanline.featurize.encoding import cut_group, encode
from spanline.featurize.params import FeaturizeParams
from spanline.featurize.tokenizer import PairTokenizer
from spanline.search.nbest import search
from spanline.search.params import AnswerSearchParams
from spanline.storage.ragged import Ragged, bounds_of
from spanline.tokens import offsets
from spanline.tokens.offsets import Characters
from tests.make.kinds import KINDS, TEXTS, tokenizer_json, words_of
from tests.make.offsets import completed
from tests.make.project import example, featurize_params, pointing_logits

ODD = [
    "a",
    "e\u0301",
    "\u0301",
    "\u200d",
    "\u200f",
    "\ufe0f",
    "\u200b",
    " ",
    "\n",
    ".",
    "(",
    "$",
    "\u0939\u093f",
    "\u1161",
    "1",
    "\x93",
]


@st.composite
def texts_with_tokens(draw: st.DrawFn) -> list[tuple[str, list[tuple[int, int]]]]:
    """Texts, and tokens whose starts and ends rise, empty ones and several at one place among them."""
    found = []
    for _ in range(draw(st.integers(0, 4))):
        text = "".join(draw(st.lists(st.sampled_from(ODD), max_size=12)))
        places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=16)))
        pairs = list(zip(places[::2], places[1::2], strict=False))
        found.append((text, sorted(pairs + [pair for pair in pairs if draw(st.booleans())])))
    return found


def as_columns(rows: list[list[tuple[int, int]]]) -> tuple[Ragged, Ragged]:
    pairs = np.array([pair for row in rows for pair in row], np.int32).reshape(-1, 2)
    bounds = bounds_of(np.array([len(row) for row in rows], np.int64))
    return Ragged(pairs[:, 0], bounds), Ragged(pairs[:, 1], bounds)


@given(texts_with_tokens())
@settings(max_examples=500, deadline=None)
def test_many_texts_at_once_are_completed_as_character_by_character(
    rows: list[tuple[str, list[tuple[int, int]]]],
) -> None:
    characters = Characters.of([text for text, _ in rows])
    starts, ends = offsets.complete(characters, *as_columns([pairs for _, pairs in rows]))
    assert starts.values.dtype == ends.values.dtype == np.int32
    left_over = offsets.uncovered(characters, starts, ends)
    for number, (text, pairs) in enumerate(rows):
        expected = completed(text, pairs)
        assert list(zip(starts[number].tolist(), ends[number].tolist(), strict=True)) == expected
        owned = {at for start, end in expected for at in range(start, end)}
        shows = [not (c.isspace() or c in "\u200b\x93") and at not in owned for at, c in enumerate(text)]
        assert left_over[characters.bounds[number] : characters.bounds[number + 1]].tolist() == shows


@pytest.mark.parametrize(
    ("text", "given_", "expected"),
    [
        ("Rene\u0301 and", [(0, 4), (6, 9)], [(0, 5), (6, 9)]),
        ("ok\ufe0f, \u200fyes\u200f.", [(0, 2), (3, 4), (6, 9), (10, 11)], [(0, 3), (3, 4), (5, 10), (10, 11)]),
        ("\u200eab\u200b\u0301", [(1, 3)], [(0, 3)]),  # a zero-width space parts words
        ("a\u0301 \u0301 b", [(0, 1), (5, 6)], [(0, 2), (5, 6)]),  # an accent on a blank belongs to nobody
        ("\u1112\u1161\u11ab\u1100", [(0, 1), (3, 4)], [(0, 3), (3, 4)]),
        ("a\u0301b", [(0, 1), (0, 1), (2, 3)], [(0, 2), (0, 2), (2, 3)]),  # two tokens of the same character
        ("a.\u0301", [(0, 1)], [(0, 1)]),
    ],
)
def test_examples(text: str, given_: list[tuple[int, int]], expected: list[tuple[int, int]]) -> None:
    starts, ends = offsets.complete(Characters.of([text]), *as_columns([given_]))
    assert list(zip(starts.values.tolist(), ends.values.tolist(), strict=True)) == expected


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(0, 1), (0, 2), (2, 2), (2, 4)], False),
        ([(0, 2), (1, 1)], True),
        ([(1, 2), (0, 3)], True),
        ([(0, 1), (3, 2)], True),
        ([(0, 1), (3, 5)], True),  # behind the text
    ],
)
def test_offsets_that_fall(pairs: list[tuple[int, int]], expected: bool) -> None:
    """A text after another one, whose offsets are higher."""
    rows = as_columns([[(0, 9)], pairs, []])
    assert offsets.falls(Characters.of(["x" * 9, "abcd", ""]), *rows).tolist() == [False, expected, False]


def test_trimming_takes_spaces_only() -> None:
    texts = [" a b\n", "  "]
    starts, ends = offsets.trimmed(Characters.of(texts), *as_columns([[(0, 2), (2, 5)], [(0, 1), (0, 2)]]))
    assert list(zip(starts.values.tolist(), ends.values.tolist(), strict=True)) == [(1, 2), (3, 5), (1, 1), (2, 2)]


@pytest.fixture(scope="module", params=list(KINDS))
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PairTokenizer:
    path: Path = tmp_path_factory.mktemp("kind") / "tokenizer.json"
    path.write_text(tokenizer_json(request.param), encoding="utf-8")
    return PairTokenizer(path)


def every_word() -> list[Example]:
    """Each word of each text as the gold answer of a question."""
    return [
        example(f"{name} {number}", text, "who?", word)
        for name, text in TEXTS.items()
        for number, word in enumerate(words_of(text))
    ]


LENGTHS = [{}, {"max_length": 24, "doc_stride": 14, "max_question_length": 6}]


@pytest.mark.parametrize("lengths", LENGTHS, ids=["one window", "several windows"])
@pytest.mark.parametrize("slow", [False, True], ids=["fast", "slow"])
def test_every_word_as_gold_comes_back(tokenizer: PairTokenizer, slow: bool, lengths: dict[str, int]) -> None:
    """Labels by the rule, logits with their maxima there: the answer is the gold text, to the character."""
    given = every_word()
    params: FeaturizeParams = featurize_params(**lengths)
    rows = splits.to_table(given)
    encoded, _ = encode(rows, tokenizer, params)
    data = cut_group(rows, encoded, tokenizer, params, slow)
    only_labelled = pointing_logits(data)
    found = search(
        data,
        only_labelled,
        [e.context for e in given],
        1,
        AnswerSearchParams(max_answer_length=30, max_context=False, top_n=None),
    )
    wrong = {
        e.id: (ascii(e.answers[0].text), ascii(best))
        for e, best in zip(given, found.best_texts(), strict=True)
        if best != e.answers[0].text
    }
    assert wrong == {}

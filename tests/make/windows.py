"""Examples of random lengths cut into features, and the labels of the usual loop."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from hypothesis import strategies as st

from spanline.featurize.windows import cut
from spanline.storage.features import Features, example_bounds
from tests.make.project import encoded, template


@dataclass(frozen=True)
class Case:
    """Examples of random lengths, their features, and which slice of the context each of them shows."""

    max_length: int
    doc_stride: int
    null_slot: str
    questions: list[int]  # tokens
    offsets: list[list[tuple[int, int]]]  # characters that each context token covers
    answers: list[tuple[int, int]]

    def features(self) -> Features:
        given = encoded(self.questions, self.offsets, self.answers)
        return cut(given, template(self.null_slot), self.max_length, self.doc_stride)

    def room(self, example: int) -> int:
        return self.max_length - 3 - self.questions[example]

    def slices(self, example: int) -> list[range]:
        """The usual loop: windows of `room` tokens until the context's end is reached."""
        total, room = len(self.offsets[example]), self.room(example)
        found, begin = [range(0, min(room, total))], 0
        while found[-1].stop < total:
            begin += room - self.doc_stride
            found.append(range(begin, min(begin + room, total)))
        return found


@st.composite
def cases(draw: st.DrawFn) -> Case:
    room = draw(st.integers(1, 12))  # beside the longest question
    longest = draw(st.integers(0, 4))
    doc_stride = draw(st.integers(0, room - 1))  # more than half the room as well
    count = draw(st.integers(1, 4))
    questions = [longest, *(draw(st.integers(0, longest)) for _ in range(count - 1))]
    generator = Random(draw(st.integers(0, 2**32)))
    offsets = [context(generator, draw(st.integers(0, 40))) for _ in range(count)]
    answers = [answer(generator, row) for row in offsets]
    return Case(room + longest + 3, doc_stride, draw(st.sampled_from(["before", "after"])), questions, offsets, answers)


def context(generator: Random, length: int) -> list[tuple[int, int]]:
    """Tokens with gaps, and byte-level ones: several tokens that all cover the same character."""
    row: list[tuple[int, int]] = []
    at = 0
    while len(row) < length:
        at += generator.randint(0, 1)
        width = generator.randint(1, 3)
        row += [(at, at + width)] * (generator.choice([1, 1, 1, 3]) if width == 1 else 1)
        at += width
    return row


def answer(generator: Random, row: list[tuple[int, int]]) -> tuple[int, int]:
    """Some characters of the context, or (-1, -1)."""
    length = row[-1][1] if row else 0
    if not length or generator.random() < 0.2:
        return -1, -1
    start = generator.randrange(length)
    return start, generator.randint(start + 1, min(start + 6, length))


def covered(answer: tuple[int, int], tokens: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """The answer without the characters at its ends that no token covers; (-1, -1) where that leaves nothing."""
    owned = {character for start, end in tokens for character in range(start, end)}
    left = [character for character in range(*answer) if character in owned]
    return (left[0], left[-1] + 1) if left else (-1, -1)


def usual_label(
    shown: list[tuple[int, int]], answer: tuple[int, int], context_start: int, null: int
) -> tuple[int, int]:
    """The strided labelling of run_qa as a plain loop, kept inside the context tokens; its end is the last token that
    starts before the answer's end."""
    start_char, end_char = answer
    if start_char < 0 or not shown or shown[0][0] > start_char or shown[-1][1] < end_char:
        return null, null
    start = 0
    while start < len(shown) and shown[start][0] <= start_char:
        start += 1
    end = len(shown) - 1
    while shown[end][0] >= end_char:
        end -= 1
    return context_start + start - 1, context_start + end


def rows_of_examples(data: Features) -> list[range]:
    """The features of each example, by their numbers."""
    return [range(low, high) for low, high in pairwise(example_bounds(data).tolist())]

"""An embedded corpus as a stream of examples. An article depends on the seed, its split and its number alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from spanline.dataset.records import Example
from spanline.synthetic.draw import Draw
from spanline.synthetic.names import INVENTORIES, Split
from spanline.synthetic.paragraph import Paragraph, draw_paragraph
from spanline.synthetic.questions import Question, draw_questions
from spanline.synthetic.shape import NUM_PARAGRAPHS

TITLE_STEP = 1_000_003  # between the titles of neighbours: a prime that divides no number of names


def examples(split: Split, seed: int, num_questions: int) -> Iterator[Example]:
    """Whole articles, until at least `num_questions` examples are out. A longer run begins with the shorter one."""
    return (example for example, _, _ in questions(split, seed, num_questions))


def questions(split: Split, seed: int, num_questions: int) -> Iterator[tuple[Example, Question, Paragraph]]:
    """The same examples, each with the question and the paragraph that it was made from."""
    num_out = 0
    for number in count():
        if num_out >= num_questions:
            return
        for item in _article(split, seed, number):
            num_out += 1
            yield item


def _article(split: Split, seed: int, number: int) -> Iterator[tuple[Example, Question, Paragraph]]:
    """One article, paragraph by paragraph; the examples of a paragraph share one context string."""
    draw = Draw(split, f"{split} {seed} {number}")
    title = article_title(split, seed, number)
    for i in range(draw.pick(NUM_PARAGRAPHS)):
        paragraph = draw_paragraph(draw, split, title)
        for j, question in enumerate(draw_questions(draw, split, paragraph)):
            qid = f"syn-{split}-{number:06d}-{i:02d}-{j:02d}"
            yield Example(qid, title, paragraph.context, question.text, question.answers), question, paragraph


def article_title(split: Split, seed: int, number: int) -> str:
    """A place name that no other article has: short names first, then those with a middle part, with two, ..."""
    names = INVENTORIES[split]
    num_names = len(names.place_stems) * len(names.place_endings)
    num_middles = 0
    while number >= num_names:
        number -= num_names
        num_names *= len(names.place_middles)
        num_middles += 1
    # A step that shares no factor with the number of names visits each name once.
    rest = (number * TITLE_STEP + seed) % num_names
    rest, stem = divmod(rest, len(names.place_stems))
    rest, ending = divmod(rest, len(names.place_endings))
    middles = ""
    for _ in range(num_middles):
        rest, middle = divmod(rest, len(names.place_middles))
        middles += names.place_middles[middle]
    return names.place_stems[stem] + middles + names.place_endings[ending]

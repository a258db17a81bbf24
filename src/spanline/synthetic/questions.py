"""The questions of a paragraph: what its text answers, and what it only seems to answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from spanline.dataset.records import GoldAnswer
from spanline.synthetic.draw import Draw
from spanline.synthetic.names import Split
from spanline.synthetic.paragraph import Fact, Paragraph, Passage, Subject
from spanline.synthetic.relations import Relation, ValueType
from spanline.synthetic.shape import LONG_ANSWERABLE, LONG_UNANSWERABLE, NUM_ANSWERABLE, NUM_UNANSWERABLE

# entity_swapped: stated, but of another subject. never_stated: of no subject, though values of the type are there.
# negated: stated to be false. premise_changed: stated for another year or sum than the question's.
UnanswerableKind = Literal["entity_swapped", "never_stated", "negated", "premise_changed"]


@dataclass(slots=True, eq=False)
class Question:
    """A question with its gold answers; `unanswerable_kind` is None exactly when there are answers."""

    text: str
    relation: Relation
    subject: Subject
    answers: tuple[GoldAnswer, ...]
    unanswerable_kind: UnanswerableKind | None


def draw_questions(draw: Draw, split: Split, paragraph: Paragraph) -> list[Question]:
    """The questions of a paragraph in random order, no two of them alike."""
    num_unanswerable = draw.pick(LONG_UNANSWERABLE if paragraph.is_long else NUM_UNANSWERABLE)
    questions = _draw_answerable(draw, split, paragraph, LONG_ANSWERABLE if paragraph.is_long else NUM_ANSWERABLE)
    return draw.shuffled(questions + _draw_unanswerable(draw, split, paragraph, num_unanswerable))


def _draw_answerable(draw: Draw, split: Split, paragraph: Paragraph, num_questions: int) -> list[Question]:
    facts = [fact for passage in paragraph.passages for fact in passage.facts if not fact.is_denied]
    questions: list[Question] = []
    for fact in draw.shuffled(facts):
        if len(questions) == num_questions:
            break
        if answers := _answers(split, paragraph.context, fact):
            text = _question(draw, split, fact.relation, fact.subject, fact.qualifier)
            questions.append(Question(text, fact.relation, fact.subject, answers, None))
    return questions


def _answers(split: Split, context: str, fact: Fact) -> tuple[GoldAnswer, ...]:
    """The fact's value as a span, and outside of train also its shorter form; none if the text has it twice."""
    start = context.find(fact.answer)
    if context.find(fact.answer, start + 1) >= 0:
        return ()
    answer = GoldAnswer(fact.answer, start)
    num_extra = 0 if split == "train" else _length_of_extra(fact.relation.answer_type, fact.answer)
    return (answer, GoldAnswer(fact.answer[num_extra:], start + num_extra)) if num_extra else (answer,)


def _length_of_extra(answer_type: ValueType, text: str) -> int:
    """Characters before the shorter form: "Anna Kovsen" is also "Kovsen", "the River Elmby" also "River Elmby"."""
    return text.index(" ") + 1 if answer_type in ("person", "river") else 0


def _draw_unanswerable(draw: Draw, split: Split, paragraph: Paragraph, num_questions: int) -> list[Question]:
    """At most one of each kind, the kinds that few paragraphs allow first."""
    questions: list[Question] = []
    rare, frequent = _unanswerable(draw, paragraph)
    for kind, options in [*rare.items(), *draw.shuffled(list(frequent.items()))]:
        if options and len(questions) < num_questions:
            relation, subject, qualifier = draw.pick(options)
            text = _question(draw, split, relation, subject, qualifier)
            questions.append(Question(text, relation, subject, (), kind))
    return questions


def _question(draw: Draw, split: Split, relation: Relation, subject: Subject, qualifier: str | None) -> str:
    text = draw.pick(relation.questions[split]).replace("{s}", subject.name)
    return text.replace("{q}", qualifier) if qualifier else text


Option = tuple[Relation, Subject, str | None]  # with the qualifier
Options = dict[UnanswerableKind, list[Option]]


def _unanswerable(draw: Draw, paragraph: Paragraph) -> tuple[Options, Options]:
    """What could be asked in vain about one passage: of the rare kinds, and of the frequent ones."""
    passage = draw.pick(paragraph.passages)
    return (
        {
            "negated": list(_negated(passage)),
            "premise_changed": list(_premise_changed(draw, paragraph, passage)),
        },
        {
            "entity_swapped": list(_swapped(passage)),
            "never_stated": list(_never_stated(draw, paragraph, passage)),
        },
    )


def _swapped(passage: Passage) -> Iterator[Option]:
    for fact in passage.singles:
        for subject in passage.subjects:
            if subject is not fact.subject:
                yield fact.relation, subject, fact.qualifier


def _never_stated(draw: Draw, paragraph: Paragraph, passage: Passage) -> Iterator[Option]:
    for relation in passage.unstated:
        subject = draw.pick(passage.subjects)
        if any(not subject.name.endswith(value) for value in paragraph.values.get(relation.answer_type, ())):
            qualifiers = paragraph.values.get(relation.qualifier_type, ()) if relation.qualifier_type else (None,)
            if qualifiers:
                yield relation, subject, draw.pick(qualifiers)


def _negated(passage: Passage) -> Iterator[Option]:
    for fact in passage.facts:
        if fact.is_denied and not any(_is_truth(other, fact) for other in passage.facts):
            yield fact.relation, fact.subject, fact.qualifier


def _is_truth(fact: Fact, denied: Fact) -> bool:
    return not fact.is_denied and fact.relation is denied.relation and fact.subject is denied.subject


def _premise_changed(draw: Draw, paragraph: Paragraph, passage: Passage) -> Iterator[Option]:
    """The qualifier becomes another value of the text."""
    for fact in passage.facts:
        relation, subject = fact.relation, fact.subject
        if relation.qualifier_type and not fact.is_denied:
            same = [other for other in passage.facts if other.relation is relation and other.subject is subject]
            stated = [other.qualifier for other in same]
            others = [value for value in paragraph.values[relation.qualifier_type] if value not in stated]
            if others:
                yield relation, subject, draw.pick(others)

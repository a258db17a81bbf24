"""One paragraph: what it states about which subjects, and the text that states it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from spanline.synthetic.draw import Draw
from spanline.synthetic.names import Split
from spanline.synthetic.relations import DENIALS, OPENINGS, PRONOUNS, RELATIONS, Kind, Relation, ValueType
from spanline.synthetic.shape import (
    CONTRAST_SHARE,
    CORRECTED_SHARE,
    DENIED_SHARE,
    JOIN_SHARE,
    LONG_SECTIONS,
    LONG_SHARE,
    NAME_SHARE,
    OPENING_SHARE,
    SHARED_RELATIONS,
    SINGLE_RELATIONS,
    THREE_SUBJECTS_SHARE,
    TWICE_SHARE,
)

KINDS: tuple[Kind, ...] = tuple(PRONOUNS)
RELATIONS_OF = {kind: tuple(relation for relation in RELATIONS if relation.kind == kind) for kind in KINDS}
TYPE_OF_KIND: dict[Kind, ValueType] = {"town": "place", "river": "river", "person": "person"}


@dataclass(slots=True, eq=False)
class Subject:
    """What a passage tells about."""

    name: str  # as inside a sentence: "the River Larkdale"
    first_year: int
    later: tuple[str, ...]  # how the text takes it up again: "it", "the company"


@dataclass(slots=True, eq=False)
class Fact:
    """One statement. A denied fact is stated to be false."""

    relation: Relation
    subject: Subject
    answer: str
    qualifier: str | None
    is_denied: bool


@dataclass(slots=True, eq=False)
class Passage:
    """Two or three subjects of one kind, and the facts about them in no order."""

    kind: Kind
    subjects: list[Subject]
    facts: list[Fact]
    singles: list[Fact]  # of relations that the passage states of one subject only
    unstated: list[Relation]  # of this kind, but about none of the subjects


@dataclass(slots=True, eq=False)
class Paragraph:
    """A context with the passages that it tells, and all its values by type."""

    context: str
    passages: list[Passage]
    is_long: bool
    values: dict[ValueType, tuple[str, ...]] = field(default_factory=dict)


def draw_paragraph(draw: Draw, split: Split, place: str) -> Paragraph:
    """The next paragraph of the article about `place`."""
    draw.forget()
    is_long = draw.chance(LONG_SHARE)
    kinds = draw.shuffled(KINDS * 2)[:LONG_SECTIONS] if is_long else [draw.pick(KINDS)]
    passages = [_draw_passage(draw, kind) for kind in kinds]
    sentences = [sentence for passage in passages for sentence in _sentences(draw, split, passage)]
    has_opening = draw.chance(OPENING_SHARE)
    if has_opening:
        sentences.insert(0, draw.pick(OPENINGS[kinds[0]][split]).replace("{t}", place))
    paragraph = Paragraph(" ".join(sentences), passages, is_long)
    paragraph.values = _values_by_type(passages, [place] if has_opening else [])
    return paragraph


def _draw_passage(draw: Draw, kind: Kind) -> Passage:
    subjects = [_draw_subject(draw, kind) for _ in range(3 if draw.chance(THREE_SUBJECTS_SHARE) else 2)]
    num_shared = draw.pick(SHARED_RELATIONS[len(subjects)])
    num_stated = num_shared + draw.pick(SINGLE_RELATIONS[len(subjects)])
    relations = draw.shuffled(RELATIONS_OF[kind])
    facts = [
        fact
        for relation in relations[:num_shared]
        for subject in subjects
        for fact in _draw_facts(draw, relation, subject)
    ]
    singles = [_draw_fact(draw, relation, draw.pick(subjects)) for relation in relations[num_shared:num_stated]]
    facts += singles
    unstated = relations[num_stated:]
    if draw.chance(DENIED_SHARE):
        facts += _draw_denied(draw, unstated.pop(), draw.pick(subjects))
    return Passage(kind, subjects, facts, singles, unstated)


def _draw_subject(draw: Draw, kind: Kind) -> Subject:
    if kind == "person":
        is_man = draw.chance(0.5)
        name = draw.man() if is_man else draw.woman()
        return Subject(name, draw.first_year(), ("he" if is_man else "she", name.rpartition(" ")[2]))
    names = {
        "company": draw.company,
        "town": draw.place,
        "river": draw.river,
        "building": draw.building,
        "work": draw.work,
        "contest": draw.contest,
    }
    return Subject(names[kind](), draw.first_year(), PRONOUNS[kind])


def _draw_facts(draw: Draw, relation: Relation, subject: Subject) -> list[Fact]:
    """One fact, or two that differ in the qualifier."""
    is_twice = relation.qualifier_type is not None and draw.chance(TWICE_SHARE)
    return [_draw_fact(draw, relation, subject) for _ in range(2 if is_twice else 1)]


def _draw_fact(draw: Draw, relation: Relation, subject: Subject, is_denied: bool = False) -> Fact:
    def new_value(value_type: ValueType) -> str:
        return draw.value(value_type, subject.first_year, relation.years)

    qualifier = new_value(relation.qualifier_type) if relation.qualifier_type else None
    return Fact(relation, subject, new_value(relation.answer_type), qualifier, is_denied)


def _draw_denied(draw: Draw, relation: Relation, subject: Subject) -> list[Fact]:
    """A denied fact, and sometimes the true one (of the same qualifier)."""
    denied = _draw_fact(draw, relation, subject, is_denied=True)
    if not draw.chance(CORRECTED_SHARE):
        return [denied]
    truth = _draw_fact(draw, relation, subject)
    truth.qualifier = denied.qualifier
    return [denied, truth]


def _sentences(draw: Draw, split: Split, passage: Passage) -> Iterator[str]:
    facts = draw.shuffled(passage.facts)
    if draw.chance(CONTRAST_SHARE):
        pair = _contrast(facts)
        if pair:
            yield _sentence(", while ".join(f"{fact.subject.name} {_predicate(draw, split, fact)}" for fact in pair))
            facts = [fact for fact in facts if fact not in pair]
    for subject in passage.subjects:
        yield from _block(draw, split, subject, [fact for fact in facts if fact.subject is subject])


def _contrast(facts: list[Fact]) -> tuple[Fact, Fact] | None:
    """Two facts of one relation about two subjects."""
    first = facts[0]
    for fact in facts:
        is_same_relation = fact.relation is first.relation and fact.subject is not first.subject
        if is_same_relation and not (first.is_denied or fact.is_denied):
            return first, fact
    return None


def _block(draw: Draw, split: Split, subject: Subject, facts: list[Fact]) -> Iterator[str]:
    """The sentences about one subject: by its name first, then by a pronoun or the like."""
    name, i = subject.name, 0
    while i < len(facts):
        fact = facts[i]
        text = f"{name} {_predicate(draw, split, fact)}"
        i += 1
        if fact.is_denied:
            text = draw.pick(DENIALS[split]).replace("{f}", text)
        elif i < len(facts) and not facts[i].is_denied and draw.chance(JOIN_SHARE):
            text += f" and {_predicate(draw, split, facts[i])}"
            i += 1
        yield _sentence(text)
        name = subject.name if draw.chance(NAME_SHARE) else draw.pick(subject.later)


def _predicate(draw: Draw, split: Split, fact: Fact) -> str:
    """A statement of the fact without its subject."""
    text = draw.pick(fact.relation.statements[split])[4:].replace("{a}", fact.answer)  # without "{s} "
    return text.replace("{q}", fact.qualifier) if fact.qualifier else text


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _values_by_type(passages: list[Passage], places: list[str]) -> dict[ValueType, tuple[str, ...]]:
    values: dict[ValueType, list[str]] = {"place": places} if places else {}
    for passage in passages:
        if passage.kind in TYPE_OF_KIND:
            # A sentence may begin with the subject, and write its article with a capital: leave the article out.
            names = [subject.name.removeprefix("the ") for subject in passage.subjects]
            values.setdefault(TYPE_OF_KIND[passage.kind], []).extend(names)
        for fact in passage.facts:
            values.setdefault(fact.relation.answer_type, []).append(fact.answer)
            if fact.qualifier and fact.relation.qualifier_type:
                values.setdefault(fact.relation.qualifier_type, []).append(fact.qualifier)
    return {value_type: tuple(dict.fromkeys(texts)) for value_type, texts in values.items()}

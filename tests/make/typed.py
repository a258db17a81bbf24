"""Examples of the embedded corpus with what their maker knows: for tests, and for baselines that only match types."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from spanline.dataset.records import Example
from spanline.synthetic.corpus import questions
from spanline.synthetic.names import Split
from spanline.synthetic.questions import UnanswerableKind
from spanline.synthetic.relations import ValueType


@dataclass(frozen=True, slots=True)
class TypedExample:
    """An example with what its maker knows about it."""

    example: Example
    relation: str
    subject: str
    answer_type: ValueType
    candidates: tuple[str, ...]  # all values of the answer's type in the context, except the subject
    unanswerable_kind: UnanswerableKind | None


def typed_examples(split: Split, seed: int, num_questions: int) -> Iterator[TypedExample]:
    """The same examples as `examples`, with what their maker knows."""
    for example, question, paragraph in questions(split, seed, num_questions):
        relation, subject = question.relation, question.subject
        values = paragraph.values[relation.answer_type]
        candidates = tuple([value for value in values if not subject.name.endswith(value)])
        yield TypedExample(
            example, relation.name, subject.name, relation.answer_type, candidates, question.unanswerable_kind
        )

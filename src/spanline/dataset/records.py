"""A question with its context and gold answers, as every stage knows it.

Text is never stripped, lower-cased or re-encoded: every offset counts Python characters (code points) of the context.
"""

from __future__ import annotations

from dataclasses import dataclass

WHITESPACE = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())  # what str.strip() takes off


@dataclass(frozen=True, slots=True)
class GoldAnswer:
    """What an annotator marked: `context[start:start + len(text)] == text`."""

    text: str
    start: int  # characters of the context


@dataclass(frozen=True, slots=True)
class Example:
    """One question with its context and gold answers. No answers means unanswerable (`is_impossible: true`)."""

    id: str  # unique in a split
    title: str  # the article's
    context: str
    question: str
    answers: tuple[GoldAnswer, ...]  # training uses the first; scoring takes the best over all

    @property
    def is_answerable(self) -> bool:
        """Decided by the presence of answers, as in the official script, even if they normalize to nothing."""
        return bool(self.answers)

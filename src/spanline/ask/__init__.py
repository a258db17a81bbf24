"""Answers to anybody's questions by the code that is scored: the pipeline that transformers dropped.

In Python:

    from spanline.ask import load

    qa = load("data/model")
    qa(question="Where do I live?", context="My name is Wolfgang and I live in Berlin")
    # {"score": 0.98, "start": 34, "end": 40, "answer": "Berlin"}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spanline.ask.answerer import Answer, BadInputError, BadModelError, Pair, QuestionAnswerer, load
    from spanline.ask.settings import Settings

__all__ = ["Answer", "BadInputError", "BadModelError", "Pair", "QuestionAnswerer", "Settings", "load"]


def __getattr__(name: str) -> Any:
    """The names above, imported when they are asked for: torch takes seconds, which `spanline --help` and a release
    need not wait for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "Settings":
        from spanline.ask import settings

        return settings.Settings
    from spanline.ask import answerer

    return getattr(answerer, name)

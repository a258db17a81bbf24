"""What may be chosen per call of `ask`: arguments of the old pipeline by their old names, and the threshold.

The command line has an option for each field, with the description given here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from spanline.common.params import Section, check


class Settings(Section):
    """None: the old pipeline's default, or with a threshold the setting that the scored answers were made with."""

    top_k: Annotated[int, Field(ge=1, description="answers per question")] = 1
    handle_impossible_answer: Annotated[bool, Field(description='let "" be an answer')] = False
    threshold: Annotated[
        Literal["calibrated"] | float | None,
        Field(description='logits, or calibrated: answer as the pipeline is scored, "" where score_diff is above'),
    ] = None
    max_answer_len: Annotated[
        int | None, Field(ge=1, description="tokens (default: 15; with a threshold the scored one)")
    ] = None
    max_seq_len: Annotated[
        int | None,
        Field(ge=8, description="tokens of a feature, everything included (default: 384, or the scored one)"),
    ] = None
    doc_stride: Annotated[
        int | None, Field(ge=0, description="context tokens that neighbouring features share (default: 128)")
    ] = None
    max_question_len: Annotated[
        int | None, Field(ge=1, description="tokens; longer questions are cut (default: 64)")
    ] = None
    align_to_words: Annotated[bool, Field(description="widen answers to whole words")] = True


def settings_of(given: dict[str, Any]) -> Settings:
    """The checked settings; SpanlineError that names the first one that is unknown or out of range."""
    return check(Path("ask"), "settings", given, Settings)

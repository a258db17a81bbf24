"""Section `answer_search` of params.yaml: which spans may be answers, the same for calibrate and postprocess."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from spanline.common.params import Section


class AnswerSearchParams(Section):
    """Which spans are legal; see `candidates` for the definition."""

    max_answer_length: Annotated[int, Field(ge=1)]  # tokens
    max_context: bool  # a span may start only at the max-context occurrence of its first token
    top_n: Annotated[int, Field(ge=1)] | None  # null: exact; else only the best starts x the best ends of a feature

"""Section `featurize` of params.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spanline.common.params import Section


class FeaturizeParams(Section):
    """How questions and contexts are cut into features."""

    max_length: Annotated[int, Field(ge=8, le=65535)]  # tokens of a feature, everything included
    doc_stride: Annotated[int, Field(ge=0)]  # context tokens that neighbouring features share
    max_question_length: Annotated[int, Field(ge=1)]  # tokens
    long_questions: Literal["cut", "refuse"]
    rows_per_shard: Annotated[int, Field(ge=1)]  # features

"""Section `score` of params.yaml."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from spanline.common.params import Section


class ScoreParams(Section):
    """Of the intervals and of the reliability diagram."""

    seed: Annotated[int, Field(ge=0)]  # of the bootstrap
    bootstrap_resamples: Annotated[int, Field(ge=100)]  # resamples of the articles
    calibration_bins: Annotated[int, Field(ge=1)]  # bins of na_prob

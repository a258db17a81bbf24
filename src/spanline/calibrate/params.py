"""Section `calibrate` of params.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spanline.common.params import Section


class CalibrateParams(Section):
    """How the threshold is chosen."""

    metric: Literal["f1", "exact"]  # what the threshold maximises, as a mean over the calibration split
    # of the questions that the threshold is for; None: as many as the calibration split has
    unanswerable_share: Annotated[float, Field(gt=0, lt=1)] | None

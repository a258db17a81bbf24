"""Section `calibrate` of params.yaml."""

from __future__ import annotations

from typing import Literal

from spanline.common.params import Section


class CalibrateParams(Section):
    """How the threshold is chosen."""

    metric: Literal["f1", "exact"]  # what the threshold maximises, as a mean over the calibration split

"""Section `runtime` of params.yaml: what can't change results. No stage tracks it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from spanline.params import Section


class Runtime(Section):
    """How a stage runs on this machine; the bytes it writes do not depend on any of these."""

    workers: Annotated[
        int, Field(ge=0)
    ]  # processes of featurize, batches at a time of predict on a CPU; 0 = one a core
    device: str  # auto, cpu, cuda, cuda:1, mps
    progress_every_s: Annotated[float, Field(gt=0)]  # seconds between progress lines
    checkpoint_every_min: Annotated[float, Field(gt=0)]  # minutes between resume points of train

"""Section `predict` of params.yaml."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from spanline.common.params import Section
from spanline.model.precision import Instructions, Precision


class PredictParams(Section):
    """How logits are computed."""

    tokens_per_batch: Annotated[int, Field(ge=1)]  # tokens per forward pass, padding included; bounds memory
    precision: Precision
    instructions: Instructions  # of an x86-64 CPU: avx2 (the same bytes on each that has it) or native (all it has)
    deterministic: bool  # only kernels that give the same bytes each time

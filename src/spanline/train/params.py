"""Section `train` of params.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spanline.common.params import Section
from spanline.model.precision import Instructions, Precision
from spanline.train.optimizer import Schedule

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class TrainParams(Section):
    """How the encoder is fine-tuned."""

    seed: Annotated[int, Field(ge=0)]  # of the order of the features, the new head and dropout
    head: Literal["auto", "kept", "new"]  # the checkpoint's own or drawn from the seed; auto = its own if it has one
    epochs: Annotated[float, Field(ge=0)]  # passes over the train features; 0 takes the checkpoint's model as it is
    batch_size: Count  # features per optimizer step
    micro_batch_size: Count  # features per forward pass; bounds memory, changes results only by rounding
    learning_rate: Positive  # at its peak
    warmup_fraction: Annotated[float, Field(ge=0, le=1)]  # of all steps
    schedule: Schedule  # how the rate falls to 0 after the warm-up
    weight_decay: Annotated[float, Field(ge=0)]  # AdamW's, on matrices only
    max_grad_norm: Positive  # L2 norm to which the gradient is clipped
    adam_beta1: Share
    adam_beta2: Share
    adam_eps: Positive
    layer_lr_decay: Annotated[float, Field(gt=0, le=1)]  # the rate of a layer as a share of the one above it
    keep: Literal["last", "best"]  # the weights after the last step, or after the epoch best by token F1 on calibration
    dropout: Share | None  # every dropout rate of the encoder; null keeps those of its config
    precision: Precision
    gradient_checkpointing: bool  # activations are computed again instead of kept
    compile: bool  # torch.compile
    instructions: Instructions  # of an x86-64 CPU: avx2 (the same bytes on each that has it) or native (all it has)
    deterministic: bool  # only kernels that give the same bytes each time; on a GPU somewhat slower
    num_threads: Annotated[int, Field(ge=0)]  # CPU threads; their number shapes the last bits of sums. 0 = all cores

"""Training in this process, on tiny inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from spanline.model import span_model
from spanline.model.distributed import ALONE
from spanline.model.span_model import SpanModel
from spanline.runtime import Runtime
from spanline.storage.features import Features
from spanline.train import run
from spanline.train.params import TrainParams
from spanline.train.report import Report
from tests.make.training import PARAMS

CPU = torch.device("cpu")
QUIET = Runtime(workers=1, device="cpu", progress_every_s=1e9, checkpoint_every_min=1e9, trackers=[])
ALWAYS_SAVING = Runtime(workers=1, device="cpu", progress_every_s=1e9, checkpoint_every_min=1e-9, trackers=[])


def params(**changes: Any) -> TrainParams:
    return TrainParams(**{**PARAMS, **changes})


def lengths(count: int) -> list[int]:
    return np.random.default_rng(5).integers(8, 31, count).tolist()


def train(
    checkpoint: Path,
    data: Features,
    p: TrainParams,
    points: Path,
    runtime: Runtime = QUIET,
    calibration: int = 0,
    device: torch.device = CPU,
) -> tuple[SpanModel, Report]:
    """The model and how its training went; the first `calibration` features are also those to look at."""
    spans = span_model.pretrained(checkpoint, p.seed, p.dropout)
    return spans, run.fit(spans, data, data.take(np.arange(calibration)), p, runtime, device, ALONE, points)


def weights(spans: SpanModel) -> bytes:
    return b"".join(tensor.cpu().numpy().tobytes() for tensor in spans.state_dict().values())

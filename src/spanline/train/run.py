"""The train stage's work: checked features in, a fitted model out; what can go wrong on the way is one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from spanline.common.console import say
from spanline.common.errors import SpanlineError
from spanline.common.memory import is_out_of_memory
from spanline.model import head, resume
from spanline.model.distributed import Group
from spanline.model.span_model import SpanModel
from spanline.runtime import Runtime
from spanline.storage import features
from spanline.storage.features import Features
from spanline.storage.ragged import Array
from spanline.storage.shards import Manifest
from spanline.train import attention, loop
from spanline.train.params import TrainParams
from spanline.train.plan import Plan
from spanline.train.report import Clock, Report, history, result
from spanline.train.state import Saver, new_state
from spanline.train.watching.live import NOBODY, Live


def kept_head(p: TrainParams, weights: Path) -> str | None:
    """The name of the head to keep, in the checkpoint's file `weights`; None where a new one is to be drawn.

    SpanlineError where it is to be kept, or to be taken untrained, and there is none.
    """
    found = head.find(weights) if p.head != "new" else None
    if found is None and (p.head == "kept" or not p.epochs):
        wish = "train.head is new" if p.head == "new" else f"{weights} holds no span head of one linear layer"
        what = f"{wish}, and train.{'epochs is 0' if not p.epochs else 'head is kept'}"
        todo = "choose a question-answering checkpoint, or train a new head: train.head auto, train.epochs above 0"
        raise SpanlineError("params.yaml", what, todo)
    return found


def read_features(manifest: Manifest, vocab_size: int, may_be_none: bool = False) -> Features:
    """All train features; SpanlineError for none at all (unless there `may_be_none`), a label outside its feature or an
    unknown token."""
    data = features.read(manifest)
    if not len(data) and may_be_none:
        return data
    if not len(data):
        raise SpanlineError(manifest.folder, "holds no features", "train on a split that has questions")
    _refuse(manifest, data, _wrong_labels(data), "has a label outside its context")
    if int(data.input_ids.values.max()) >= vocab_size:
        wrong = np.array([int(ids.max()) >= vocab_size for ids in (data.input_ids[row] for row in range(len(data)))])
        _refuse(manifest, data, wrong, f"has a token beyond the model's vocabulary of {vocab_size}")
    return data


def _wrong_labels(data: Features) -> Array:
    """(N,) bool: neither the null position twice nor a span of context tokens."""
    start, end, null = (part.astype(np.int64) for part in (data.start_position, data.end_position, data.null_position))
    first = data.context_start.astype(np.int64)
    is_span = (first <= start) & (start <= end) & (end < first + data.context_lengths)
    wrong: Array = ~is_span & ~((start == null) & (end == null))
    return wrong


def _refuse(manifest: Manifest, data: Features, wrong_N: Array, what: str) -> None:
    if wrong_N.any():
        row = int(wrong_N.argmax())
        where = f"{manifest.folder}, question {data.ids[row]}, feature {data.window[row]}"
        raise SpanlineError(where, what, "make the features anew: dvc repro -f featurize")


def fit(
    model: SpanModel,
    data: Features,
    calibration: Features,
    p: TrainParams,
    runtime: Runtime,
    device: torch.device,
    group: Group,
    points: Path,
    live: Live = NOBODY,
) -> Report:
    """Train `model` in place, from the newest resume point in the folder `points` if there is one.

    `calibration`: features to look at after each epoch; there may be none of them. `live`: who is shown how it goes.
    """
    if p.keep == "best" and not len(calibration):
        what = "is 'best', but there is no calibration split (download.calibration_fraction is 0)"
        raise SpanlineError("params.yaml", f"train.keep {what}", "set it to last")
    plan = Plan(data.lengths, p)
    state = new_state(_prepared(model, p, device), p, plan.total_steps, device)
    saved = group.share(resume.load(points) if group.is_first else None)
    if saved is not None:
        state.restore(saved, device)
        say(f"going on after step {state.step:,} of {plan.total_steps:,}, kept in {points}")
    clock = Clock(state, plan, runtime, device, group)
    try:
        with resume.stop_on_signal() as stop:
            saver = Saver(state, points, runtime, stop, group)
            loop.run(loop.Work(state, data, calibration, plan, device, group), saver, clock, live)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        todo = f"set train.micro_batch_size below {p.micro_batch_size}, or train.gradient_checkpointing: true"
        raise SpanlineError("train", f"out of memory on {device} in step {state.step + 1}", todo) from None
    if state.best:
        state.model.load_state_dict(state.best)
    return Report(result(state, plan), history(state, plan), state.epochs, clock.timings())


def _prepared(model: SpanModel, p: TrainParams, device: torch.device) -> SpanModel:
    if p.gradient_checkpointing:
        model.encoder.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if p.compile:
        model.encoder.compile(dynamic=True)  # lengths differ from batch to batch
    elif device.type == "cpu" and p.precision == "bfloat16":
        attention.use(model.encoder)
    return model.to(device)

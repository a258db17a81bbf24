"""Fine-tuning: for each step take its features, add up the gradients of its micro-batches, clip, step, sometimes save.

Everything is a function of params and inputs: the order of the features (`batches.epoch`), the learning rate
(`optimizer.factor`), dropout (torch's generator, seeded anew for each step). So a run that was stopped and goes on ends
with the same bytes as one that was not.

Several processes (`distributed`) share out the features of each step; their sums are those of one process but for
rounding.

Legend: N features, S steps of the whole run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_

from spanline import batches, features, scratch
from spanline.batches import Batch
from spanline.console import say
from spanline.device import arithmetic
from spanline.distributed import Group
from spanline.errors import SpanlineError
from spanline.evaluation import evaluate
from spanline.features import Features
from spanline.model import SpanModel, span_loss
from spanline.optimizer import adamw, set_learning_rate
from spanline.runtime import Runtime
from spanline.shards import Manifest
from spanline.train_report import Clock, Report, history, result
from spanline.train_state import COUNTS, Plan, State, TrainParams

Array = np.ndarray[Any, Any]


def read_features(manifest: Manifest, vocab_size: int) -> Features:
    """All train features; SpanlineError for none at all, a label outside its feature or an unknown token."""
    data = features.read(manifest)
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
) -> Report:
    """Train `model` in place, from the newest resume point in the folder `points` if there is one.

    `calibration`: features to look at after each epoch; there may be none of them.
    """
    if p.keep == "best" and not len(calibration):
        what = "is 'best', but there is no calibration split (download.calibration_fraction is 0)"
        raise SpanlineError("params.yaml", f"train.keep {what}", "set it to last")
    plan = Plan(data.lengths, p)
    state = _begin(_prepared(model, p).to(device), p, plan, device)
    saved = group.share(scratch.load(points) if group.is_first else None)
    if saved is not None:
        state.restore(saved, device)
        say(f"going on after step {state.step:,} of {plan.total_steps:,}, kept in {points}")
    clock = Clock(state, plan, runtime, device, group)
    try:
        with scratch.stop_on_signal() as stop:
            saver = Saver(state, points, runtime, stop, group)
            _run(Work(state, data, calibration, plan, device, group), saver, clock)
    except (torch.OutOfMemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        todo = f"set train.micro_batch_size below {p.micro_batch_size}, or train.gradient_checkpointing: true"
        raise SpanlineError("train", f"out of memory on {device} in step {state.step + 1}", todo) from None
    if state.best:
        state.model.load_state_dict(state.best)
    return Report(result(state, plan), history(state, plan), state.epochs, clock.timings())


def _prepared(model: SpanModel, p: TrainParams) -> SpanModel:
    if p.gradient_checkpointing:
        model.encoder.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if p.compile:
        model.encoder.compile(dynamic=True)  # lengths differ from batch to batch
    return model


def _is_out_of_memory(error: RuntimeError) -> bool:
    """A CPU has no error of its own for it."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _begin(model: SpanModel, p: TrainParams, plan: Plan, device: torch.device) -> State:
    betas = (p.adam_beta1, p.adam_beta2)
    optimizer = adamw(model, p.learning_rate, betas, p.adam_eps, p.weight_decay, p.layer_lr_decay)
    empty_S = torch.zeros(plan.total_steps, device=device)
    return State(model, optimizer, 0, empty_S, empty_S.clone(), dict.fromkeys(COUNTS, 0))


@dataclass(frozen=True)
class Work:
    """What the loop works on."""

    state: State
    data: Features
    calibration: Features
    plan: Plan
    device: torch.device
    group: Group


def _run(work: Work, saver: Saver, clock: Clock) -> None:
    """The loop."""
    state, plan, group = work.state, work.plan, work.group
    parameters = list(state.model.parameters())
    engine = _engine(work)
    barrier = Barrier(state.optimizer, work.device)
    batches_of_steps = _batches(work)
    for step in range(state.step, plan.total_steps):
        torch.manual_seed(_seed(plan.p.seed, step, group.rank))
        num_features = len(plan.rows(step))
        _add_gradients(work, engine, step, batches_of_steps)
        group.sum(state.loss_S[step])
        state.grad_norm_S[step] = clip_grad_norm_(parameters, plan.p.max_grad_norm)
        barrier.close_if_not_finite(state.loss_S[step], state.grad_norm_S[step])
        set_learning_rate(state.optimizer, plan.learning_rate(step))
        state.optimizer.step()
        state.optimizer.zero_grad(set_to_none=True)
        _count(state, plan.rows(step), work)
        state.step = step + 1
        if len(work.calibration) and plan.is_last_of_epoch(step):
            _look_at_calibration(work)
        is_saving = saver.is_due(clock.is_due())
        if is_saving or clock.is_due():
            _refuse_non_finite(state, work.data, plan)
        clock.tick(num_features)
        if is_saving:
            saver.save()


def _engine(work: Work) -> nn.Module:
    """The model, its gradients averaged over the processes if there are several."""
    if work.group.size == 1:
        return work.state.model
    device_ids = [work.device] if work.device.type == "cuda" else None
    return DistributedDataParallel(work.state.model, device_ids=device_ids, broadcast_buffers=False)


def _seed(*numbers: int) -> int:
    """A seed for torch from several numbers, well mixed; the same in every release of numpy (NEP 19)."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _batches(work: Work) -> Iterator[Batch]:
    """The micro-batches of this process, step after step; on a GPU made ahead, while it computes."""
    pad_token_id, on_gpu = work.state.model.pad_token_id, work.device.type == "cuda"

    def collate(rows: Array) -> Batch:
        batch = batches.collate(work.data, rows, pad_token_id)
        return batch.pinned() if on_gpu else batch

    steps = range(work.state.step, work.plan.total_steps)
    rows = (rows for step in steps for rows in _shares(work, step))
    yield from batches.ahead(collate, rows) if on_gpu else map(collate, rows)


def _shares(work: Work, step: int) -> list[Array]:
    """The rows of each forward pass. A process without any takes part with one that it then counts as nothing."""
    return work.plan.micro_batches(step, work.group) or [work.plan.rows(step)[:1]]


def _add_gradients(work: Work, engine: nn.Module, step: int, step_batches: Iterator[Batch]) -> None:
    """One forward and backward pass a micro-batch; the processes' gradients meet in the last."""
    state, group, plan = work.state, work.group, work.plan
    has_rows = bool(plan.micro_batches(step, group))
    num_passes = len(_shares(work, step))
    for number in range(num_passes):
        batch = next(step_batches).to(work.device)
        with _alone(engine, number < num_passes - 1):
            with arithmetic(work.device, plan.p.precision):
                start_BT, end_BT = engine(batch)
            # a sum over the micro-batch, by the step's count of features
            part = span_loss(start_BT, end_BT, batch) * (has_rows / len(plan.rows(step)))
            (part * group.size).backward()  # type: ignore[no-untyped-call]  # for the mean over processes is a sum
        state.loss_S[step] += part.detach()


def _alone(engine: nn.Module, is_alone: bool) -> AbstractContextManager[Any]:
    """Within it a process keeps its gradients to itself."""
    return engine.no_sync() if is_alone and isinstance(engine, DistributedDataParallel) else nullcontext()


def _look_at_calibration(work: Work) -> None:
    """Add a row to the state's epochs, and keep the weights if they are the best so far and the best are wanted."""
    state, p = work.state, work.plan.p
    tokens = int(work.calibration.lengths.max()) * p.micro_batch_size
    found = evaluate(state.model, work.calibration, tokens, p.precision, work.device, work.group)
    best_before = max((row["calibration_token_f1"] for row in state.epochs), default=-1.0)
    shown = {f"calibration_{name}": float(f"{value:.6g}") for name, value in found.items()}
    state.epochs.append({"epoch": round(state.step / work.plan.steps_per_epoch, 4), "step": state.step, **shown})
    say(f"epoch {state.epochs[-1]['epoch']:g}: " + "  ".join(f"{name} {value:.4g}" for name, value in found.items()))
    if p.keep == "best" and shown["calibration_token_f1"] > best_before:
        state.best = {name: tensor.clone() for name, tensor in state.model.state_dict().items()}


def _count(state: State, rows: Array, work: Work) -> None:
    lengths = work.data.lengths[rows].astype(np.int64)
    state.counts["features"] += len(rows)
    state.counts["tokens"] += int(lengths.sum())
    state.counts["squared_lengths"] += int((lengths**2).sum())
    size = work.plan.p.micro_batch_size
    for rank in range(work.group.size):
        share = rows[rank :: work.group.size]
        parts = (share[start : start + size] for start in range(0, len(share), size))
        state.counts["padded_tokens"] += sum(batches.num_padded_tokens(part, work.data.lengths) for part in parts)


class Barrier:
    """Holds every update back from the first loss or gradient on that is not finite, without waiting for the device.

    Fused AdamW skips an update where `found_inf` is 1 (the way GradScaler tells it). Once closed it stays closed, so
    the weights are still good when the host looks at the losses some steps later.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, device: torch.device) -> None:
        self._closed = torch.zeros((), device=device)
        optimizer.found_inf = self._closed  # type: ignore[attr-defined]

    def close_if_not_finite(self, loss: Tensor, grad_norm: Tensor) -> None:
        self._closed.logical_or_(~torch.isfinite(loss + grad_norm))


def _refuse_non_finite(state: State, data: Features, plan: Plan) -> None:
    """SpanlineError with the first step whose loss or gradient was not finite, and the ids of its features."""
    good_S = torch.isfinite(state.loss_S[: state.step] + state.grad_norm_S[: state.step])
    if good_S.all():
        return
    step = int((~good_S).int().argmax())
    ids = ", ".join(dict.fromkeys(str(data.ids[int(row)]) for row in plan.rows(step)))
    what = f"loss {state.loss_S[step]:g}, gradient norm {state.grad_norm_S[step]:g} on the features of {ids}"
    raise SpanlineError(f"train, step {step + 1}", what, "nothing was updated by it; lower train.learning_rate")


class Saver:
    """Saves the state every few minutes, and on SIGTERM or Ctrl-C before it leaves. Of several processes the first
    saves; they leave together, after the step at which all know of the signal."""

    def __init__(self, state: State, points: Path, runtime: Runtime, stop: scratch.Stop, group: Group) -> None:
        self._state, self._points, self._stop, self._group = state, points, stop, group
        self._every_s = runtime.checkpoint_every_min * 60
        self._last = time.monotonic()
        self._is_leaving = False

    def is_due(self, may_ask: bool) -> bool:
        """`may_ask`: whether the processes may be held up by asking each other for signals."""
        if self._group.size == 1:
            self._is_leaving = bool(self._stop.signal)
        elif may_ask:
            self._is_leaving = self._someone_has_a_signal()
        return self._is_leaving or time.monotonic() - self._last >= self._every_s

    def _someone_has_a_signal(self) -> bool:
        signals = torch.tensor(float(self._stop.signal), device=self._state.loss_S.device)
        self._group.sum(signals)
        return bool(signals)

    def save(self) -> None:
        """Write the state, then leave if that is what a signal asked for."""
        if self._group.is_first:
            scratch.save(self._points, self._state.step, self._state.saved())
        self._last = time.monotonic()
        if self._is_leaving:
            self._stop.leave(f"stopped after step {self._state.step:,}; run the same command again to go on from there")

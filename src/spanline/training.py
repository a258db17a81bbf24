"""Fine-tuning: for each step take its features, add up the gradients of its micro-batches, clip, step, sometimes save.

Everything is a function of params and inputs: the order of the features (`batches.epoch`), the learning rate
(`optimizer.factor`), dropout (torch's generator, which is a part of the state). So a run that was stopped and goes on
ends with the same bytes as one that was not.

Legend: N features, S steps of the whole run.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from spanline import batches, features, scratch
from spanline.console import Progress, say
from spanline.device import Precision, arithmetic, peak_memory_bytes
from spanline.errors import SpanlineError
from spanline.features import Features
from spanline.model import SpanModel, span_loss
from spanline.optimizer import Schedule, adamw, factor, set_learning_rate
from spanline.params import Section
from spanline.ragged import Ragged
from spanline.runtime import Runtime
from spanline.shards import Manifest

Array = np.ndarray[Any, Any]
Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]

MAX_HISTORY_ROWS = 500
FINAL_LOSS_STEPS = 50  # a single step's loss is noise


class TrainParams(Section):
    """Section `train` of params.yaml."""

    seed: Annotated[int, Field(ge=0)]  # of the order of the features, the new head and dropout
    epochs: Positive  # passes over the train features; 0.5 is half a pass
    batch_size: Count  # features an optimizer step
    micro_batch_size: Count  # features a forward pass; bounds memory, changes results only by rounding
    learning_rate: Positive  # at its peak
    warmup_fraction: Annotated[float, Field(ge=0, le=1)]  # of all steps
    schedule: Schedule  # how the rate falls to 0 after the warm-up
    weight_decay: Annotated[float, Field(ge=0)]  # AdamW's, on matrices only
    max_grad_norm: Positive  # L2 norm to which the gradient is clipped
    adam_beta1: Share
    adam_beta2: Share
    adam_eps: Positive
    dropout: Share | None  # every dropout rate of the encoder; null keeps those of its config
    precision: Precision
    deterministic: bool  # only kernels that give the same bytes each time; on a GPU somewhat slower
    num_threads: Annotated[int, Field(ge=0)]  # CPU threads; their number shapes the last bits of sums. 0 = all cores


class Plan:
    """What each update does, as a function of its number (from 0)."""

    def __init__(self, lengths_N: Array, p: TrainParams) -> None:
        self._lengths_N, self.p = lengths_N, p
        self._epoch: tuple[int, Ragged] | None = None
        self.steps_per_epoch = batches.num_steps(len(lengths_N), p.batch_size)
        self.total_steps = max(1, round(p.epochs * self.steps_per_epoch))
        self.num_features = self._count_features()
        self.log_every = -(-self.total_steps // MAX_HISTORY_ROWS)  # the device is asked for its numbers only then

    def rows(self, step: int) -> Array:
        """The feature numbers of the update, shortest feature first."""
        number, index = divmod(step, self.steps_per_epoch)
        if self._epoch is None or self._epoch[0] != number:
            self._epoch = number, batches.epoch(self._lengths_N, self.p.batch_size, self.p.seed, number)
        return self._epoch[1][index]

    def micro_batches(self, step: int) -> list[Array]:
        """The same, a forward pass each."""
        rows, size = self.rows(step), self.p.micro_batch_size
        return [rows[start : start + size] for start in range(0, len(rows), size)]

    def learning_rate(self, step: int) -> float:
        warmup_steps = round(self.p.warmup_fraction * self.total_steps)
        return self.p.learning_rate * factor(step, self.total_steps, warmup_steps, self.p.schedule)

    def _count_features(self) -> int:
        """Features of the whole run; one seen in two epochs counts twice."""
        whole, rest = divmod(self.total_steps, self.steps_per_epoch)
        partial = range(self.total_steps - rest, self.total_steps)
        return whole * len(self._lengths_N) + sum(len(self.rows(step)) for step in partial)


@dataclass
class State:
    """All that a resume needs. The generators' states belong to it too; `saved` and `restore` take care of them."""

    model: SpanModel
    optimizer: torch.optim.Optimizer
    step: int  # updates made
    loss_S: Tensor  # on the device, by update
    grad_norm_S: Tensor  # before clipping
    counts: dict[str, int]  # features, tokens and padded_tokens so far

    def saved(self, device: torch.device) -> dict[str, Any]:
        """As plain dicts and tensors."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "loss_S": self.loss_S,
            "grad_norm_S": self.grad_norm_S,
            "counts": self.counts,
            "cpu_generator": torch.get_rng_state(),
            "cuda_generator": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        }

    def restore(self, saved: dict[str, Any], device: torch.device) -> None:
        """The inverse of `saved`."""
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step, self.counts = saved["step"], saved["counts"]
        self.loss_S, self.grad_norm_S = saved["loss_S"].to(device), saved["grad_norm_S"].to(device)
        torch.set_rng_state(saved["cpu_generator"])
        if saved["cuda_generator"] is not None and device.type == "cuda":
            torch.cuda.set_rng_state(saved["cuda_generator"], device)


@dataclass(frozen=True)
class Report:
    """What a run was like: `result` and `history` follow from the inputs, `timings` from the machine too."""

    result: dict[str, Any]
    history: list[dict[str, Any]]
    timings: dict[str, Any]


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
    model: SpanModel, data: Features, p: TrainParams, runtime: Runtime, device: torch.device, points: Path
) -> Report:
    """Train `model` in place, from the newest resume point in the folder `points` if there is one."""
    torch.manual_seed(p.seed)
    plan = Plan(data.lengths, p)
    state = _begin(model.to(device), p, plan, device)
    saved = scratch.load(points)
    if saved is not None:
        state.restore(saved, device)
        say(f"going on after step {state.step:,} of {plan.total_steps:,}, kept in {points}")
    clock = Clock(state, plan, runtime, device)
    try:
        with scratch.stop_on_signal() as stop:
            _run(state, data, plan, device, Saver(state, points, runtime, device, stop), clock)
    except torch.OutOfMemoryError:
        todo = f"set train.micro_batch_size below {p.micro_batch_size}; it is what bounds memory"
        raise SpanlineError("train", f"out of memory on {device} in step {state.step + 1}", todo) from None
    return Report(_result(state, plan), _history(state, plan), clock.timings())


def _begin(model: SpanModel, p: TrainParams, plan: Plan, device: torch.device) -> State:
    optimizer = adamw(model, p.learning_rate, (p.adam_beta1, p.adam_beta2), p.adam_eps, p.weight_decay)
    empty_S = torch.zeros(plan.total_steps, device=device)
    counts = {"features": 0, "tokens": 0, "padded_tokens": 0}
    return State(model, optimizer, 0, empty_S, empty_S.clone(), counts)


def _run(state: State, data: Features, plan: Plan, device: torch.device, saver: Saver, clock: Clock) -> None:
    """The loop."""
    parameters = list(state.model.parameters())
    barrier = Barrier(state.optimizer, device)
    for step in range(state.step, plan.total_steps):
        num_features = len(plan.rows(step))
        for rows in plan.micro_batches(step):
            batch = batches.collate(data, rows, state.model.pad_token_id).to(device)
            with arithmetic(device, plan.p.precision):
                start_BT, end_BT = state.model(batch)
            part = span_loss(start_BT, end_BT, batch) / num_features  # a sum over the micro-batch, by the step's count
            part.backward()  # type: ignore[no-untyped-call]
            state.loss_S[step] += part.detach()
            _count(state, rows, data.lengths)
        state.grad_norm_S[step] = clip_grad_norm_(parameters, plan.p.max_grad_norm)
        barrier.close_if_not_finite(state.loss_S[step], state.grad_norm_S[step])
        set_learning_rate(state.optimizer, plan.learning_rate(step))
        state.optimizer.step()
        state.optimizer.zero_grad(set_to_none=True)
        state.step = step + 1
        is_saving = saver.is_due()
        if is_saving or clock.is_due():
            _refuse_non_finite(state, data, plan)
        clock.tick(num_features)
        if is_saving:
            saver.save()


def _count(state: State, rows: Array, lengths_N: Array) -> None:
    state.counts["features"] += len(rows)
    state.counts["tokens"] += int(lengths_N[rows].sum())
    state.counts["padded_tokens"] += batches.num_padded_tokens(rows, lengths_N)


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
    """Saves the state every few minutes, and on SIGTERM or Ctrl-C before it leaves."""

    def __init__(self, state: State, points: Path, runtime: Runtime, device: torch.device, stop: scratch.Stop) -> None:
        self._state, self._points, self._device, self._stop = state, points, device, stop
        self._every_s = runtime.checkpoint_every_min * 60
        self._last = time.monotonic()

    def is_due(self) -> bool:
        return bool(self._stop.signal) or time.monotonic() - self._last >= self._every_s

    def save(self) -> None:
        """Write the state, then leave if that is what a signal asked for."""
        scratch.save(self._points, self._state.step, self._state.saved(self._device))
        self._last = time.monotonic()
        if self._stop.signal:
            self._stop.leave(f"stopped after step {self._state.step:,}; run the same command again to go on from there")


class Clock:
    """The progress line, and the speeds of this process (what an earlier one did before a stop is left out)."""

    def __init__(self, state: State, plan: Plan, runtime: Runtime, device: torch.device) -> None:
        self._state, self._plan, self._device = state, plan, device
        self._progress = Progress("train", plan.num_features, "features", runtime.progress_every_s)
        self._progress.skip(state.counts["features"])
        self._before, self._started, self._seen = dict(state.counts), time.monotonic(), ""

    def is_due(self) -> bool:
        """Whether to ask the device for its numbers now. A CPU has them at hand."""
        step = self._state.step
        return self._device.type == "cpu" or step % self._plan.log_every == 0 or step == self._plan.total_steps

    def tick(self, num_features: int) -> None:
        step = self._state.step
        if self.is_due():
            recent = self._state.loss_S[max(0, step - FINAL_LOSS_STEPS) : step].mean().item()
            rate = self._plan.learning_rate(step - 1)
            self._seen = f"step {step:,}/{self._plan.total_steps:,}  loss {recent:.3f}  lr {rate:.2e}"
        self._progress.add(num_features, f"{self._seen}  {self._speed()}")

    def _speed(self) -> str:
        counts, elapsed_s = self._since_start()
        return f"{counts['tokens'] / elapsed_s:,.0f} tokens/s  padding {_padding_share(counts):.1%}"

    def _since_start(self) -> tuple[dict[str, int], float]:
        counts = {name: count - self._before[name] for name, count in self._state.counts.items()}
        return counts, max(time.monotonic() - self._started, 1e-9)

    def timings(self) -> dict[str, Any]:
        """For a file that nothing depends on."""
        counts, elapsed_s = self._since_start()
        return {
            "device": str(self._device),
            "threads": torch.get_num_threads(),
            "elapsed_s": round(elapsed_s, 2),
            "features": counts["features"],
            "features_per_s": round(counts["features"] / elapsed_s, 2),
            "tokens_per_s": round(counts["tokens"] / elapsed_s, 1),
            "padding_share": round(_padding_share(counts), 4),
            "peak_memory_mib": round(peak_memory_bytes(self._device) / 2**20),
        }


def _padding_share(counts: dict[str, int]) -> float:
    return 1 - counts["tokens"] / max(counts["padded_tokens"], 1)


def _result(state: State, plan: Plan) -> dict[str, Any]:
    """For metrics/train.json."""
    return {
        "steps": plan.total_steps,
        "epochs": plan.total_steps / plan.steps_per_epoch,
        "features": state.counts["features"],
        "tokens": state.counts["tokens"],
        "padding_share": round(_padding_share(state.counts), 4),
        "final_loss": _rounded(state.loss_S[-FINAL_LOSS_STEPS:].double().mean()),
    }


def _history(state: State, plan: Plan) -> list[dict[str, Any]]:
    """For metrics/train_history.csv: means over the steps since the row before, the rate of the last of them."""
    rows = []
    for start in range(0, plan.total_steps, plan.log_every):
        stop = min(start + plan.log_every, plan.total_steps)
        rows.append(
            {
                "step": stop,
                "epoch": round(stop / plan.steps_per_epoch, 4),
                "loss": _rounded(state.loss_S[start:stop].double().mean()),
                "learning_rate": float(f"{plan.learning_rate(stop - 1):.6g}"),
                "grad_norm": _rounded(state.grad_norm_S[start:stop].double().mean()),
            }
        )
    return rows


def to_csv(rows: list[dict[str, Any]]) -> str:
    """A header and a line a row."""
    lines = [",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]
    return "\n".join(lines) + "\n"


def _rounded(value: Tensor) -> float:
    return float(f"{value.item():.6g}")

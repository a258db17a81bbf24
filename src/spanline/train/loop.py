"""The training loop: for each step add up the gradients of its micro-batches, clip, update, count, sometimes save.

Everything is a function of params and inputs: what a step takes (`plan.Step`), the learning rate (`optimizer.factor`),
dropout (torch's generator, seeded anew for each step). So a run that was stopped and goes on ends with the same bytes
as one that was not.

Several processes (`model.distributed`) share out the features of each step; their sums are those of one process but for
rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_

from spanline.common.console import say
from spanline.common.errors import SpanlineError
from spanline.model import batches
from spanline.model.batches import Batch
from spanline.model.device import arithmetic
from spanline.model.distributed import Group
from spanline.model.span_model import span_loss
from spanline.storage.features import Features
from spanline.train.epoch_scores import evaluate
from spanline.train.optimizer import set_learning_rate
from spanline.train.plan import Plan, Step
from spanline.train.report import Clock
from spanline.train.state import Saver, State
from spanline.train.watching.live import Live


@dataclass(frozen=True)
class Work:
    """What the loop works on."""

    state: State
    data: Features
    calibration: Features  # looked at after each epoch; there may be none
    plan: Plan
    device: torch.device
    group: Group


def run(work: Work, saver: Saver, clock: Clock, live: Live) -> None:
    """All steps from `work.state.step` on; the state is changed in place."""
    state, p = work.state, work.plan.p
    parameters = list(state.model.parameters())
    engine = _engine(work)
    barrier = Barrier(state.optimizer, work.device)
    for step, step_batches in _with_batches(work):
        torch.manual_seed(step.seed)
        loss = _add_gradients(work, engine, step, step_batches)
        grad_norm = clip_grad_norm_(parameters, p.max_grad_norm)
        barrier.close_if_not_finite(loss, grad_norm)
        set_learning_rate(state.optimizer, step.learning_rate)
        state.optimizer.step()
        state.optimizer.zero_grad(set_to_none=True)
        state.loss_S[step.number], state.grad_norm_S[step.number] = loss, grad_norm
        state.finish(step)
        if step.is_last_of_epoch and len(work.calibration):
            with clock.stopped():
                _look_at_calibration(work)
        is_saving = saver.is_due(clock.is_due())
        is_showing = clock.is_due() or step.is_last_of_epoch
        if is_saving or is_showing:
            _refuse_non_finite(work)
        clock.tick(len(step.rows))
        if is_showing:
            live.update(state, work.plan, at_once=step.is_last_of_epoch)
        if is_saving:
            saver.save()


def _engine(work: Work) -> nn.Module:
    """The model, its gradients averaged over the processes if there are several."""
    if work.group.size == 1:
        return work.state.model
    device_ids = [work.device] if work.device.type == "cuda" else None
    return DistributedDataParallel(work.state.model, device_ids=device_ids, broadcast_buffers=False)


def _with_batches(work: Work) -> Iterator[tuple[Step, list[Batch]]]:
    """Each step with the batches of this process's forward passes; on a GPU made ahead, while it computes."""
    pad_token_id, on_gpu = work.state.model.pad_token_id, work.device.type == "cuda"

    def collate(step: Step) -> tuple[Step, list[Batch]]:
        made = [batches.collate(work.data, rows, pad_token_id) for rows in step.micro_batches]
        return step, [batch.pinned() for batch in made] if on_gpu else made

    steps = work.plan.steps(work.state.step, work.group)
    yield from batches.ahead(collate, steps) if on_gpu else map(collate, steps)


def _add_gradients(work: Work, engine: nn.Module, step: Step, step_batches: Sequence[Batch]) -> Tensor:
    """One forward and backward pass per micro-batch; the processes' gradients meet in the last. Returns the step's mean
    loss over the features of all processes, (), float32."""
    loss = torch.zeros((), device=work.device)
    for number, host_batch in enumerate(step_batches):
        batch = host_batch.to(work.device)
        with _without_exchange(engine, number < len(step_batches) - 1):
            with arithmetic(work.device, work.plan.p.precision):
                start_BT, end_BT = engine(batch)
            part = span_loss(start_BT, end_BT, batch) * step.loss_share  # a sum over the micro-batch
            # DistributedDataParallel takes the mean over the processes, but what is wanted is the sum
            (part * work.group.size).backward()  # type: ignore[no-untyped-call]
        loss += part.detach()
    work.group.sum(loss)
    return loss


def _without_exchange(engine: nn.Module, is_wanted: bool) -> AbstractContextManager[Any]:
    """Skips the exchange of gradients between processes (DDP.no_sync), for all but the last micro-batch of a step."""
    return engine.no_sync() if is_wanted and isinstance(engine, DistributedDataParallel) else nullcontext()


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


class Barrier:
    """Holds every update back from the first loss or gradient on that is not finite, without waiting for the device.

    Fused AdamW skips an update where `found_inf` is 1 (the way GradScaler tells it). Once closed it stays closed, so
    the weights are still good when the host looks at the losses some steps later.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, device: torch.device) -> None:
        self._closed = torch.zeros((), device=device)
        optimizer.found_inf = self._closed  # type: ignore[attr-defined]

    def close_if_not_finite(self, loss: Tensor, grad_norm: Tensor) -> None:
        """Both are () tensors on the device; nothing is read from it."""
        self._closed.logical_or_(~torch.isfinite(loss + grad_norm))


def _refuse_non_finite(work: Work) -> None:
    """SpanlineError with the first step whose loss or gradient was not finite, and the ids of its features."""
    state = work.state
    good_S = torch.isfinite(state.loss_S[: state.step] + state.grad_norm_S[: state.step])
    if good_S.all():
        return
    number = int((~good_S).int().argmax())
    ids = ", ".join(dict.fromkeys(str(work.data.ids[int(row)]) for row in work.plan.rows(number)))
    what = f"loss {state.loss_S[number]:g}, gradient norm {state.grad_norm_S[number]:g} on the features of {ids}"
    raise SpanlineError(f"train, step {number + 1}", what, "nothing was updated by it; lower train.learning_rate")

"""How fast training is against the usual padded loop in the same precision, and how much of the device it uses."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.gpu.work import SHAPES, Line, Work, checkpoint, prepare, random_features, train, train_params
from benchmarks.train import _inputs
from spanline.model.device import arithmetic, synchronize
from spanline.storage.features import Features
from spanline.train.params import TrainParams

GOAL_RATIO, GOAL_MFU = 2.0, 0.4
WARM_UP = 4  # steps
# shape -> precisions, steps of 32 features
RUNS = {
    "MiniLM-L6": (("bfloat16", "tf32", "float32"), 120),
    "BERT-base": (("bfloat16", "float32"), 40),
    "BERT-large": (("bfloat16",), 20),
}
TINY_RUNS = {"small": (("float32",), 2)}


def speeds(work: Work) -> Iterator[Line]:
    """A line per shape and precision."""
    longest = 128 if work.tiny else 384
    for shape, (precisions, steps) in (TINY_RUNS if work.tiny else RUNS).items():
        data = random_features(32 * steps, 600, 8, longest)
        for precision in precisions:
            if work.is_late():
                yield Line(f"speed, {shape}, {precision}", "skipped", "no time left")
                continue
            changes = {"batch_size": 32, "micro_batch_size": 32, "deterministic": False, "dropout": 0.0}
            p = train_params(**changes, precision=precision)
            yield _compare(work, shape, data, p, longest)


def _compare(work: Work, shape: str, data: Features, p: TrainParams, longest: int) -> Line:
    train(work, shape, data.take(np.arange(min(len(data), 32 * WARM_UP))), p)
    timings = train(work, shape, data, p, most_rows=1 + len(data) // (32 * 15))[1].timings
    _free(work)
    seconds, peak = padded(work, checkpoint(work, shape), data, longest, p)
    _free(work)
    ratio = timings["features_per_s"] / (len(data) / seconds)
    found = (
        f"{timings['features_per_s']:,.0f} features/s, {timings['tokens_per_s']:,.0f} tokens/s, "
        f"{ratio:.2f} x padded, MFU {timings['mfu']:.0%}, {timings['peak_memory_mib']:,} MiB (padded {peak:,})"
    )
    good = ratio >= GOAL_RATIO and timings["mfu"] >= GOAL_MFU
    verdict = ("ok" if good else "failed") if work.on_gpu else "seen"
    name = f"speed, {shape}{'' if shape == 'small' else ' (' + _size(shape) + ')'}, {p.precision}"
    numbers = {**timings, "padded_features_per_s": len(data) / seconds, "padded_peak_mib": peak, "ratio": ratio}
    return Line(name, verdict, found, numbers)  # type: ignore[arg-type]


def _size(shape: str) -> str:
    width, layers, *_ = SHAPES[shape]
    return f"{layers} x {width}"


def _free(work: Work) -> None:
    gc.collect()
    if work.on_gpu:
        torch.cuda.empty_cache()


def padded(work: Work, folder: Path, data: Features, longest: int, p: TrainParams) -> tuple[float, int]:
    """The usual loop: random order, all padded to `longest`, the stock class with its own loss, AdamW as it comes.
    Seconds of all steps after a warm-up, and the most memory in MiB."""
    from transformers import AutoModelForQuestionAnswering

    prepare(work, p)
    stock = (
        AutoModelForQuestionAnswering.from_pretrained(folder, dtype=torch.float32, trust_remote_code=False)
        .to(work.device)
        .train()
    )
    optimizer = torch.optim.AdamW(stock.parameters(), lr=p.learning_rate, weight_decay=p.weight_decay)
    inputs = _inputs(data, longest, stock)
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(1))
    if work.on_gpu:
        torch.cuda.reset_peak_memory_stats(work.device)

    def step(first: int) -> None:
        batch = {name: part[order[first : first + p.batch_size]].to(work.device) for name, part in inputs.items()}
        with arithmetic(work.device, p.precision):
            loss = stock(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(stock.parameters(), p.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()

    for number in range(min(WARM_UP, len(data) // p.batch_size)):
        step(number * p.batch_size)
    synchronize(work.device)
    started = time.perf_counter()
    for first in range(0, len(data), p.batch_size):
        step(first)
    synchronize(work.device)
    seconds = time.perf_counter() - started
    peak = torch.cuda.max_memory_allocated(work.device) if work.on_gpu else 0
    return seconds, round(peak / 2**20)


SPEEDS: dict[str, Callable[[Work], Iterator[Line]]] = {"speed": speeds}

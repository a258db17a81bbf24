"""Training the usual way against Spanline's, on the same features, model and number of steps, in one run.

The usual way: batches in random order, every feature padded to max_length, the stock `AutoModelForQuestionAnswering`
with its own loss, attention mask and type ids handed over, torch's AdamW as it comes, gradients clipped.

Legend: N features, B features of a batch, T = max_length, S steps.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor

from benchmarks import machine
from benchmarks.predict import padded
from spanline.common import params
from spanline.model import device, span_model
from spanline.model.distributed import ALONE
from spanline.runtime import Runtime
from spanline.storage import features
from spanline.storage.features import Features
from spanline.train import attention
from spanline.train.params import TrainParams
from spanline.train.plan import Plan
from spanline.train.run import fit

QUIET = Runtime(workers=1, device="cpu", progress_every_s=1e9, checkpoint_every_min=1e9, trackers=[])


def main() -> None:
    args = _arguments()
    p = params.load(args.params, "train", TrainParams)
    p = p.model_copy(update={"precision": args.precision or p.precision, "deterministic": args.device == "cpu"})
    where = device.prepare(args.device, p.num_threads, p.precision, p.deterministic, p.instructions)
    manifest = features.manifest(args.features)
    data = features.read(manifest)
    count = min(len(data), args.steps * p.batch_size)
    data = data.take(np.sort(np.random.default_rng(p.seed).permutation(len(data))[:count]))
    p = p.model_copy(update={"epochs": 1.0})
    print(f"{count:,} features, {Plan(data.lengths, p).total_steps:,} steps of {p.batch_size}")

    usual(args.checkpoint, data.take(np.arange(2 * p.batch_size)), manifest.params["max_length"], p, where)  # warm-up
    ways = {
        f"padded to {manifest.params['max_length']}": lambda: usual(
            args.checkpoint, data, manifest.params["max_length"], p, where
        ),
        f"Spanline, {p.precision}": lambda: ours(args.checkpoint, data, p, where),
    }
    if where.type == "cpu" and p.precision == "bfloat16":
        ways["... with torch's attention"] = lambda: with_torchs_attention(args.checkpoint, data, p, where)
    seconds, losses = machine.alternate(list(ways.values()), args.repeats)
    _report(args, p, data, list(ways), seconds, losses)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="its section train is used")
    parser.add_argument("--features", type=Path, default=Path("data/features/train"))
    parser.add_argument("--checkpoint", type=Path, default=Path("data/checkpoint"), help="folder of the encoder")
    parser.add_argument("--steps", type=int, default=40, help="of each way")
    parser.add_argument("--precision", help="of Spanline's, instead of train.precision; on a GPU of both ways")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ...")
    parser.add_argument("--repeats", type=int, default=1, help="of each way, in turn; the median is shown")
    return parser.parse_args()


def usual(checkpoint: Path, data: Features, max_length: int, p: TrainParams, where: torch.device) -> float:
    """The mean loss of the last half of the steps."""
    from transformers import AutoModelForQuestionAnswering

    torch.manual_seed(p.seed)
    changes = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), p.dropout)
    stock = AutoModelForQuestionAnswering.from_pretrained(
        checkpoint, dtype=torch.float32, trust_remote_code=False, **({} if p.dropout is None else changes)
    )
    stock = stock.to(where).train()
    optimizer = torch.optim.AdamW(stock.parameters(), lr=p.learning_rate, weight_decay=p.weight_decay)
    plan, inputs_NT = Plan(data.lengths, p), _inputs(data, max_length, stock)
    order = torch.randperm(len(data))
    precision = p.precision if where.type == "cuda" else "float32"
    losses: list[Tensor] = []
    for step in range(plan.total_steps):
        rows = order[step * p.batch_size : (step + 1) * p.batch_size]
        batch = {name: part[rows].to(where) for name, part in inputs_NT.items()}
        with device.arithmetic(where, precision):
            loss = stock(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(stock.parameters(), p.max_grad_norm)
        for group in optimizer.param_groups:
            group["lr"] = plan.learning_rate(step)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.detach())
    return float(torch.stack(losses[len(losses) // 2 :]).mean())


def _inputs(data: Features, max_length: int, stock: Any) -> dict[str, Tensor]:
    """All features padded, (N, T), and their labels, (N,)."""
    filled_NT = np.arange(max_length) < data.lengths[:, None]
    inputs = {
        "input_ids": padded(data.input_ids, filled_NT, int(stock.config.pad_token_id or 0)),
        "attention_mask": torch.from_numpy(filled_NT.astype(np.int64)),
        "start_positions": torch.from_numpy(data.start_position.astype(np.int64)),
        "end_positions": torch.from_numpy(data.end_position.astype(np.int64)),
    }
    if getattr(stock.config, "type_vocab_size", 0) > 1:
        inputs["token_type_ids"] = padded(data.token_type_ids, filled_NT, 0)
    return inputs


def ours(checkpoint: Path, data: Features, p: TrainParams, where: torch.device) -> float:
    """As the train stage does."""
    spans = span_model.pretrained(checkpoint, p.seed, p.dropout)
    with tempfile.TemporaryDirectory() as points:
        none = data.take(np.arange(0))
        report = fit(spans, data, none, p, QUIET, where, ALONE, Path(points) / "points")
    losses = [row["loss"] for row in report.history]
    return float(np.mean(losses[len(losses) // 2 :]))


def with_torchs_attention(checkpoint: Path, data: Features, p: TrainParams, where: torch.device) -> float:
    """The same without Spanline's own attention for bfloat16 on a CPU."""
    with mock.patch.object(attention, "use"):
        return ours(checkpoint, data, p, where)


Floats = Sequence[float]


def _report(
    args: argparse.Namespace,
    p: TrainParams,
    data: Features,
    names: list[str],
    seconds: list[float],
    losses: list[float],
) -> None:
    rows = [["", "features/s", "tokens/s", "seconds", "mean loss, 2nd half"]]
    tokens = int(data.lengths.sum())
    for name, time_s, loss in zip(names, seconds, losses, strict=True):
        rows.append([name, f"{len(data) / time_s:.1f}", f"{tokens / time_s:,.0f}", f"{time_s:.1f}", f"{loss:.3f}"])
    rows.append(["ratio", f"{seconds[0] / seconds[1]:.2f} x", "", "", ""])
    record = {
        "benchmark": "train",
        "features": len(data),
        "tokens": tokens,
        "batch_size": p.batch_size,
        "micro_batch_size": p.micro_batch_size,
        "precision": p.precision,
        "usual_s": round(seconds[0], 2),
        "spanline_s": round(seconds[1], 2),
        "ratio": round(seconds[0] / seconds[1], 3),
        "torchs_attention_s": round(seconds[2], 2) if len(seconds) > 2 else None,
        "losses": [round(loss, 4) for loss in losses],
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if args.device.startswith("cuda") else args.device,
        "repeats": args.repeats,
        **machine.facts("torch", "transformers"),
    }
    machine.show(rows, record)


if __name__ == "__main__":
    main()

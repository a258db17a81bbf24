"""Prediction the usual way against Spanline's, on the same features and model, in one run.

The usual way: every feature padded to max_length, in file order, 32 a batch, the stock
`AutoModelForQuestionAnswering`, attention mask and type ids handed over, eval mode, `torch.no_grad`.

Legend: N features, B features of a batch, T = max_length.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import machine
from spanline.common import params
from spanline.model import batches, device, span_model
from spanline.model.span_model import SpanModel
from spanline.predict import run as predict
from spanline.predict.params import PredictParams
from spanline.runtime import num_cores
from spanline.storage import features
from spanline.storage.features import Features
from spanline.storage.logits import Logits
from spanline.storage.ragged import Ragged

USUAL_BATCH_SIZE = 32  # features
WARM_UP = 2  # usual batches


def main() -> None:
    args = _arguments()
    p = params.load(args.params, "predict", PredictParams)
    p = p.model_copy(update={"tokens_per_batch": args.tokens_per_batch or p.tokens_per_batch})
    where = device.prepare(args.device, 0, p.precision, p.deterministic, p.instructions)
    manifest = features.manifest(args.features)
    max_length = manifest.params["max_length"]
    data = features.read(manifest)
    count = min(args.num_features or len(data), len(data))
    data = data.take(np.linspace(0, len(data), count, endpoint=False).astype(np.int64))
    stock, spans = _stock(args.model, where), span_model.load(args.model).to(where).eval()
    span_model.refuse_mismatch(spans, args.model, manifest, "give the features and the model of one pipeline")

    _warm_up(stock, spans, data, max_length, p, where)
    seconds, found = machine.alternate(
        [lambda: usual(stock, data, max_length, p, where), lambda: ours(spans, data, p, where)], args.repeats
    )
    _report(args, data, max_length, p, spans, seconds, found)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="its section predict is used")
    parser.add_argument("--features", type=Path, default=Path("data/features/validation"))
    parser.add_argument("--model", type=Path, default=Path("data/model"), help="what the train stage wrote")
    parser.add_argument("--num-features", type=int, help="so many, evenly spaced over the file; all if not given")
    parser.add_argument("--tokens-per-batch", type=int, help="instead of predict.tokens_per_batch")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ...")
    parser.add_argument("--repeats", type=int, default=3, help="of each way, in turn; the median is shown")
    return parser.parse_args()


def _stock(folder: Path, where: torch.device) -> Any:
    from transformers import AutoModelForQuestionAnswering

    return (
        AutoModelForQuestionAnswering.from_pretrained(folder, dtype=torch.float32, trust_remote_code=False)
        .to(where)
        .eval()
    )


def _warm_up(
    stock: Any, spans: SpanModel, data: Features, max_length: int, p: PredictParams, where: torch.device
) -> None:
    few = data.take(np.arange(min(len(data), WARM_UP * USUAL_BATCH_SIZE)))
    usual(stock, few, max_length, p, where)
    ours(spans, few, p, where)


def usual(stock: Any, data: Features, max_length: int, p: PredictParams, where: torch.device) -> Logits:
    """Pad all to `max_length`, batch by file order; the logits of padding are left off at the end."""
    filled_NT = np.arange(max_length) < data.lengths[:, None]
    inputs_NT = {
        "input_ids": padded(data.input_ids, filled_NT, int(stock.config.pad_token_id or 0)),
        "attention_mask": torch.from_numpy(filled_NT.astype(np.int64)),
    }
    if getattr(stock.config, "type_vocab_size", 0) > 1:
        inputs_NT["token_type_ids"] = padded(data.token_type_ids, filled_NT, 0)
    starts, ends = [], []
    for first in range(0, len(data), USUAL_BATCH_SIZE):
        batch = {name: part[first : first + USUAL_BATCH_SIZE].to(where) for name, part in inputs_NT.items()}
        with torch.no_grad(), device.arithmetic(where, p.precision):
            output = stock(**batch)
        starts.append(output.start_logits.float().cpu().numpy())
        ends.append(output.end_logits.float().cpu().numpy())
    start, end = (Ragged(np.concatenate(parts)[filled_NT], data.input_ids.bounds) for parts in (starts, ends))
    return Logits(start, end)


def padded(column: Ragged, filled_NT: Any, padding: int) -> torch.Tensor:
    padded_NT = np.full(filled_NT.shape, padding, dtype=np.int64)
    padded_NT[filled_NT] = column.values
    return torch.from_numpy(padded_NT)


def ours(spans: SpanModel, data: Features, p: PredictParams, where: torch.device) -> Logits:
    """As the predict stage computes a shard."""
    return predict.predict(spans, data, p, where, lambda lengths_B: None, device.num_workers(where, 0))


def _report(
    args: argparse.Namespace,
    data: Features,
    max_length: int,
    p: PredictParams,
    spans: SpanModel,
    seconds: list[float],
    found: list[Logits],
) -> None:
    num_tokens = int(data.lengths.sum())
    plan = batches.within_token_limit(data.lengths, p.tokens_per_batch)
    num_computed = [max_length * len(data), sum(batches.num_padded_tokens(rows, data.lengths) for rows in plan)]
    names = [f"padded to {max_length}, {USUAL_BATCH_SIZE} a batch", f"Spanline, {p.tokens_per_batch} tokens a batch"]
    rows = [["", "features/s", "tokens/s", "padding", "seconds"]]
    for name, time_s, computed in zip(names, seconds, num_computed, strict=True):
        speeds = [f"{len(data) / time_s:,.1f}", f"{num_tokens / time_s:,.0f}", f"{1 - num_tokens / computed:.1%}"]
        rows.append([name, *speeds, f"{time_s:.2f}"])
    difference = max(
        float(np.abs(a.values - b.values).max())
        for a, b in ((found[0].start, found[1].start), (found[0].end, found[1].end))
    )
    rows.append(["ratio", f"{seconds[0] / seconds[1]:.2f} x", "", "", ""])
    rows.append(["largest difference of a logit", f"{difference:.1e}", "", "", ""])
    record = {
        "benchmark": "predict",
        "features": len(data),
        "tokens": num_tokens,
        "usual_features_per_s": round(len(data) / seconds[0], 2),
        "spanline_features_per_s": round(len(data) / seconds[1], 2),
        "ratio": round(seconds[0] / seconds[1], 3),
        "ratio_of_tokens": round(num_computed[0] / num_computed[1], 3),
        "largest_difference": difference,
        "tokens_per_batch": p.tokens_per_batch,
        "precision": p.precision,
        "threads": num_cores(),
        "device": torch.cuda.get_device_name() if args.device.startswith("cuda") else args.device,
        "model": f"{spans.encoder.config.model_type}, {sum(part.numel() for part in spans.parameters()):,} parameters",
        "repeats": args.repeats,
        **machine.facts("torch", "transformers"),
    }
    machine.show(rows, record)


if __name__ == "__main__":
    main()

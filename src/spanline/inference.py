"""The raw logits of every token of every feature, shard by shard: nothing is decided here.

Legend: N features of a shard, B features of a batch, T tokens of the batch's longest feature.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import torch
from pydantic import Field

from spanline import batches, features, logits, shards
from spanline.console import Progress
from spanline.device import Precision, arithmetic
from spanline.errors import SpanlineError
from spanline.features import Features
from spanline.logits import Logits
from spanline.model import SpanModel
from spanline.params import Section
from spanline.ragged import Ragged, ranges
from spanline.shards import Manifest

Array = np.ndarray[Any, Any]


class PredictParams(Section):
    """Section `predict` of params.yaml."""

    tokens_per_batch: Annotated[int, Field(ge=1)]  # tokens a forward pass, padding included; bounds memory
    precision: Precision
    deterministic: bool  # only kernels that give the same bytes each time
    num_threads: Annotated[int, Field(ge=0)]  # CPU threads; their number shapes the last bits of sums. 0 = all cores


def tables(
    model: SpanModel, manifest: Manifest, p: PredictParams, device: torch.device, progress_every_s: float
) -> Iterator[pa.Table]:
    """A table of `logits.SCHEMA` for each shard of features, in order; one shard is in memory at a time."""
    model = model.to(device).eval()
    progress = Progress("predict", manifest.rows, "features", progress_every_s)
    for table in shards.read_shards(manifest, features.KIND):
        part = features.from_table(table)
        yield logits.to_table(part.ids, pa.array(part.window), predict(model, part, p, device, progress))


def predict(model: SpanModel, part: Features, p: PredictParams, device: torch.device, progress: Progress) -> Logits:
    """The logits of the features `part`, in their order, whatever the batches were."""
    bounds = part.input_ids.bounds
    start, end = (Ragged(np.empty(bounds[-1], dtype=np.float32), bounds) for _ in range(2))
    for rows in batches.within_token_limit(part.lengths, p.tokens_per_batch):
        start_BT, end_BT = _forward(model, part, rows, p, device)
        _put(start, rows, start_BT)
        _put(end, rows, end_BT)
        progress.add(len(rows))
    return Logits(start, end)


@torch.inference_mode()
def _forward(
    model: SpanModel, part: Features, rows: Array, p: PredictParams, device: torch.device
) -> tuple[Array, Array]:
    """Start and end logits of a batch, (B, T) float32 each, in host memory."""
    batch = batches.collate(part, rows, model.pad_token_id).to(device)
    try:
        with arithmetic(device, p.precision):
            start_BT, end_BT = model(batch)
    except torch.OutOfMemoryError:
        todo = f"set predict.tokens_per_batch below {p.tokens_per_batch}"
        raise SpanlineError("predict", f"out of memory on {device}", todo) from None
    return start_BT.cpu().numpy(), end_BT.cpu().numpy()


def _put(column: Ragged, rows: Array, values_BT: Array) -> None:
    """Write the unpadded rows of a batch to their places."""
    lengths_B = column.lengths[rows]
    filled_BT = np.arange(values_BT.shape[1]) < lengths_B[:, None]
    column.values[ranges(column.bounds[rows], lengths_B)] = values_BT[filled_BT]

"""The predict stage's work: the raw logits of every token of every feature, shard by shard. Nothing is decided here.

A finished shard is kept in the scratch folder at once. A run that was stopped takes over the shards that it finds there
and computes the others, so it ends with the same bytes as one that was not stopped.

Legend: N features of a shard, B features of a batch, T tokens of the batch's longest feature.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from spanline.common.console import Progress, say
from spanline.common.errors import SpanlineError
from spanline.common.files import new_folder, sha256
from spanline.common.memory import is_out_of_memory
from spanline.model import batches, resume
from spanline.model.device import arithmetic, num_workers
from spanline.model.distributed import ALONE, Group, join
from spanline.model.span_model import SpanModel
from spanline.predict.params import PredictParams
from spanline.runtime import Runtime
from spanline.storage import features, logits, shards
from spanline.storage.features import Features
from spanline.storage.logits import Logits
from spanline.storage.ragged import Array, Ragged, ranges
from spanline.storage.shards import Manifest


class Meter:
    """The progress line, the speed (of this process: what an earlier one did is left out), the way out on a signal."""

    def __init__(self, manifest: Manifest, progress_every_s: float, stop: resume.Stop) -> None:
        self._progress = Progress("predict", manifest.rows, "features", progress_every_s)
        self._stop, self._started = stop, time.monotonic()
        self._num_kept = self._num_features = self._num_tokens = 0

    def skip(self, num_features: int) -> None:
        """Count the features of a shard that an earlier run finished."""
        self._num_kept += num_features
        self._progress.skip(self._num_kept + self._num_features)

    def tick(self, lengths_B: Array) -> None:
        """Count the features of a batch; leave if a signal asks for it: every whole shard is on disk already."""
        self._num_features += len(lengths_B)
        self._num_tokens += int(lengths_B.sum())
        self._progress.add(len(lengths_B), f"{self._num_tokens / self._elapsed_s():,.0f} tokens/s")
        if self._stop.signal:
            self._stop.leave("stopped; run the same command again to go on after the last whole shard")

    def speed(self) -> str:
        """Of the features that this process computed; for people."""
        features_per_s, tokens_per_s = (n / self._elapsed_s() for n in (self._num_features, self._num_tokens))
        return f"{self._num_tokens:,} tokens computed at {features_per_s:,.1f} features/s, {tokens_per_s:,.0f} tokens/s"

    def _elapsed_s(self) -> float:
        return max(time.monotonic() - self._started, 1e-9)


def points(scratch_folder: Path, p: PredictParams, manifest: Manifest, model: Path, device: torch.device) -> Path:
    """Where the finished shards of just this configuration are kept. Another kind of processor rounds otherwise."""
    if device.type == "cuda":
        processor = torch.cuda.get_device_name(device)
    else:
        processor = f"{device.type}, {torch.backends.cpu.get_cpu_capability()}"
    return scratch_folder / "predict" / resume.key(p, manifest, model, processor=processor)


def write_logits(
    model: SpanModel,
    weights: Path,
    manifest: Manifest,
    p: PredictParams,
    runtime: Runtime,
    device: torch.device,
    points: Path,
    out: Path,
) -> str | None:
    """Write the logits of all features of `manifest` to the folder `out`; returns the speed, for people.

    `weights`: the file that the model came from, recorded by its hash. `points` as in `tables`; the folder is removed
    in the end. Of several processes each predicts its share of the shards, then the first puts all together; the others
    return None.
    """
    workers = num_workers(device, runtime.workers)
    holds = shards.HOLDS
    with resume.stop_on_signal() as stop, join(device) as group, resume.alone(points, out, holds, group.is_first):
        meter = Meter(manifest, runtime.progress_every_s, stop)
        if group.size > 1:
            for _ in tables(model, manifest, p, device, points, meter, group, workers):
                pass  # each table is kept in `points`
            group.wait()
        if not group.is_first:
            return None
        with new_folder(out, holds) as folder:
            writer = shards.ShardWriter(folder, logits.KIND, manifest.params["rows_per_shard"])
            for table in tables(model, manifest, p, device, points, meter, workers=workers):
                writer.write(table)
            made_from = {"features": manifest.sha256, "model": sha256(weights)}
            writer.finish(made_from, params={"precision": p.precision}, counts={"features": manifest.rows})
    resume.remove(points)
    return meter.speed()


def tables(
    model: SpanModel,
    manifest: Manifest,
    p: PredictParams,
    device: torch.device,
    points: Path,
    meter: Meter,
    group: Group = ALONE,
    workers: int = 1,
) -> Iterator[pa.Table]:
    """A table of `logits.SCHEMA` for each shard of features, in order; one shard is in memory at a time. Of several
    processes each gets its share of the shards. `workers` as in `predict`.

    A shard that the folder `points` holds is taken from there, each of the others is kept there.
    """
    model = model.to(device).eval()
    for number in range(group.rank, len(manifest.shards), group.size):
        part = features.read_part(manifest, number)
        table = resume.load_table(points, number)
        if table is not None and _is_of(table, part):
            say(f"shard {number + 1} of {len(manifest.shards)} is done already, kept in {points}")
            meter.skip(len(part))
        else:
            found = predict(model, part, p, device, meter.tick, workers)
            table = logits.to_table(part.ids, pa.array(part.window), found)
            resume.save_table(points, number, table)
        yield table


def _is_of(table: pa.Table, part: Features) -> bool:
    """Whether the table holds logits of exactly these features."""
    if not table.schema.equals(logits.SCHEMA):
        return False
    same_ids = table.column("id").to_pylist() == part.ids.to_pylist()
    same_rows = same_ids and np.array_equal(table.column("window").to_numpy(), part.window)
    columns = (Ragged.from_arrow(table.column(name)) for name in ("start_logits", "end_logits"))
    return same_rows and all(
        np.array_equal(column.bounds, part.input_ids.bounds) and np.isfinite(column.values).all() for column in columns
    )


def predict(
    model: SpanModel,
    part: Features,
    p: PredictParams,
    device: torch.device,
    tick: Callable[[Array], None],
    workers: int = 1,
) -> Logits:
    """The logits of the features `part`, in their order, whatever the batches were.

    `tick` gets the lengths of each batch's features once it is done. SpanlineError for logits that are not finite.
    `workers`: 1, or so many batches at a time, each on one CPU thread: two workers and ten give the same logits.
    """
    lengths_N, bounds = part.lengths, part.input_ids.bounds
    start, end = (Ragged(np.empty(bounds[-1], dtype=np.float32), bounds) for _ in range(2))
    plan = batches.within_token_limit(lengths_N, p.tokens_per_batch)
    for rows, values in _forwards(lambda rows: _forward(model, part, rows, p, device), plan, workers):
        for column, values_BT in zip((start, end), values, strict=True):
            unpadded = _unpadded(values_BT, lengths_N[rows])
            column.values[ranges(bounds[rows], lengths_N[rows])] = unpadded
            if not np.isfinite(unpadded).all():
                raise _not_finite(part, column, rows)
        tick(lengths_N[rows])
    return Logits(start, end)


def _forwards(
    forward: Callable[[Array], tuple[Array, Array]], plan: list[Array], workers: int
) -> Iterator[tuple[Array, tuple[Array, Array]]]:
    """Each batch of the plan with its logits, in order.

    Several workers: a batch is too small for two threads to share its matrix products well, and torch lets go of
    Python's lock while it computes, so a thread a batch uses the cores better. OpenMP keeps the number of threads by
    calling thread: each worker sets its own, and the caller's is put back.
    """
    if workers == 1 or len(plan) == 1:
        for rows in plan:
            yield rows, forward(rows)
        return
    before = torch.get_num_threads()
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            yield from zip(plan, pool.map(forward, plan), strict=True)
        except BaseException:
            pool.shutdown(cancel_futures=True)  # Ctrl-C must not wait for the whole plan
            raise
        finally:
            torch.set_num_threads(before)


@torch.inference_mode()
def _forward(
    model: SpanModel, part: Features, rows: Array, p: PredictParams, device: torch.device
) -> tuple[Array, Array]:
    """Start and end logits of a batch, (B, T) float32 each, in host memory."""
    batch = batches.collate(part, rows, model.pad_token_id).to(device)
    try:
        with arithmetic(device, p.precision):
            start_BT, end_BT = model(batch)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        todo = f"set predict.tokens_per_batch below {p.tokens_per_batch}"
        raise SpanlineError("predict", f"out of memory on {device}", todo) from None
    return start_BT.cpu().numpy(), end_BT.cpu().numpy()


def _unpadded(values_BT: Array, lengths_B: Array) -> Array:
    """The values of real tokens, feature after feature."""
    values: Array = values_BT[np.arange(values_BT.shape[1]) < lengths_B[:, None]]
    return values


def _not_finite(part: Features, column: Ragged, rows: Array) -> SpanlineError:
    """Names the first question of the batch, in the file's order."""
    row = next(row for row in np.sort(rows).tolist() if not np.isfinite(column[row]).all())
    where = f"predict, question {part.ids[row]}, feature {part.window[row]}"
    todo = "the model is damaged, or predict.precision is too coarse for it: train it anew, or set float32"
    return SpanlineError(where, "its logits are not finite", todo)

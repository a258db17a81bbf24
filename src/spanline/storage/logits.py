"""The logit shards: what the model said of every token of every feature, undecided, in the features' order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from spanline.common.errors import SpanlineError
from spanline.storage.ragged import Ragged
from spanline.storage.shards import Kind, Manifest, read_manifest, read_shards

KIND = Kind("logits", 1, "predict", made_from=("features",))

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string()),  # the question's id
        pa.field("window", pa.uint16()),  # number of the feature within its example
        pa.field("start_logits", pa.list_(pa.float32())),  # (T,) raw scores, every token of the feature
        pa.field("end_logits", pa.list_(pa.float32())),  # (T,)
    ]
)


@dataclass(frozen=True)
class Logits:
    """Raw start and end logits of N features, one float32 for each of a feature's T tokens."""

    start: Ragged
    end: Ragged


def to_table(ids: pa.Array | pa.ChunkedArray, window: pa.Array, logits: Logits) -> pa.Table:
    """Logits as a table of `SCHEMA`, with the features' ids beside them for readers who have only this file."""
    start, end = (part.to_arrow(pa.float32()) for part in (logits.start, logits.end))
    return pa.Table.from_arrays([ids, window, start, end], schema=SCHEMA)


def read(folder: Path, features: Manifest) -> Logits:
    """All logits of `folder`; SpanlineError unless they were predicted for exactly these features, and are finite."""
    manifest = read_manifest(folder, KIND)
    if manifest.made_from["features"] != features.sha256 or manifest.rows != features.rows:
        raise SpanlineError(
            folder, f"holds logits of other features than {features.folder}", "predict them anew: dvc repro predict"
        )
    return checked(pa.concat_tables(read_shards(manifest, KIND)), folder)


def model_of(folder: Path) -> str:
    """SHA-256 of the weights that the logits of `folder` came from; of an average, those of all models."""
    made_from = read_manifest(folder, KIND).made_from
    return " ".join(made_from[name] for name in sorted(made_from) if name.startswith("model"))


def checked(table: pa.Table, folder: Path) -> Logits:
    """The logits of a table that came out of the files of `folder`; SpanlineError for other columns, and for a question
    with a logit that is not finite."""
    todo = "predict them anew: dvc repro -s -f predict"
    if not table.schema.equals(SCHEMA):
        raise SpanlineError(folder, f"its columns are not {', '.join(SCHEMA.names)} as this Spanline writes them", todo)
    start, end = (Ragged.from_arrow(table.column(name)) for name in ("start_logits", "end_logits"))
    for column in (start, end):
        good = np.isfinite(column.values)
        if not good.all():
            row = int(np.searchsorted(column.bounds, int(good.argmin()), side="right")) - 1
            where = f"{folder}, question {table.column('id')[row]}, feature {table.column('window')[row]}"
            raise SpanlineError(where, "its logits are not finite", todo)
    if not np.array_equal(start.bounds, end.bounds):
        raise SpanlineError(folder, "holds more start logits than end logits, or fewer", todo)
    return Logits(start, end)

"""The feature shards: one model input a row, without padding. One declaration for the writer and every reader.

Legend: N features, T tokens of a feature, C context tokens of a feature.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from spanline.common.errors import SpanlineError
from spanline.common.files import sha256
from spanline.storage.ragged import Array, Ragged, bounds_of
from spanline.storage.shards import Kind, Manifest, read_manifest, read_shard, read_shards

KIND = Kind(
    "features",
    1,
    "featurize",
    delta_columns=("offset_starts", "offset_ends"),
    made_from=("squad", "tokenizer"),
    sizes=("max_length", "rows_per_shard"),
)

ANSWERS_BY_TOKENS = "answers_by_tokens"  # of the manifest's counts: tokens of the shortest gold answer -> questions


@dataclass(frozen=True)
class Features:
    """N features, those of one example adjacent, in the order of the context. Positions count the feature's tokens."""

    ids: pa.StringArray | pa.ChunkedArray  # (N,) the question's id
    window: Array  # (N,) uint16; number of the feature within its example, from 0
    input_ids: Ragged  # (T,) token ids: uint16 where the vocabulary allows, else uint32
    token_type_ids: Ragged  # (T,) uint8
    context_start: Array  # (N,) uint16; position of the first context token
    offset_starts: Ragged  # (C,) int32; characters of the context at which each context token starts ...
    offset_ends: Ragged  # (C,) int32; ... and ends, exclusive
    max_context: Ragged  # (C,) bool; no other feature of the example shows this token with more context around it
    null_position: Array  # (N,) uint16; the token that stands for "no answer" ([CLS])
    start_position: Array  # (N,) uint16; label: first token of the gold answer, or the null position
    end_position: Array  # (N,) uint16; label: last token of the gold answer, inclusive, or the null position

    def __len__(self) -> int:
        return len(self.window)

    @property
    def lengths(self) -> Array:
        """(N,) tokens of each feature."""
        return self.input_ids.lengths

    @property
    def context_lengths(self) -> Array:
        """(N,) context tokens of each feature."""
        return self.offset_starts.lengths

    def take(self, rows: Array) -> Features:
        """The features numbered `rows`, in that order."""
        parts: dict[str, Any] = {"ids": self.ids.take(pa.array(rows))}
        for name in (field.name for field in fields(self) if field.name != "ids"):
            values = getattr(self, name)
            parts[name] = values.take(rows) if isinstance(values, Ragged) else values[rows]
        return Features(**parts)


def schema(vocab_size: int) -> pa.Schema:
    """The shards' columns, in order; nothing is nullable."""
    token = pa.uint16() if vocab_size <= 1 << 16 else pa.uint32()
    columns = {
        "id": pa.string(),
        "window": pa.uint16(),
        "input_ids": pa.list_(token),
        "token_type_ids": pa.list_(pa.uint8()),
        "context_start": pa.uint16(),
        "offset_starts": pa.list_(pa.int32()),
        "offset_ends": pa.list_(pa.int32()),
        "max_context": pa.list_(pa.bool_()),
        "null_position": pa.uint16(),
        "start_position": pa.uint16(),
        "end_position": pa.uint16(),
    }
    return pa.schema([pa.field(name, kind) for name, kind in columns.items()])


def to_table(features: Features, vocab_size: int) -> pa.Table:
    """Features as a table of `schema(vocab_size)`."""
    target = schema(vocab_size)
    columns: list[Any] = [features.ids]
    for field in list(target)[1:]:
        values = getattr(features, field.name)
        ragged = isinstance(values, Ragged)
        columns.append(values.to_arrow(field.type.value_type) if ragged else pa.array(values, type=field.type))
    return pa.Table.from_arrays(columns, schema=target)


def empty_table(vocab_size: int) -> pa.Table:
    """No features, with their schema: what an empty calibration split becomes."""
    return schema(vocab_size).empty_table()


def from_table(table: pa.Table) -> Features:
    """The inverse of `to_table`."""
    ids = table.column("id")
    parts: dict[str, Any] = {}
    for field in list(table.schema)[1:]:
        column = table.column(field.name)
        parts[field.name] = Ragged.from_arrow(column) if pa.types.is_list(field.type) else column.to_numpy()
    return Features(ids, **parts)


def manifest(folder: Path) -> Manifest:
    """The checked manifest of a feature folder."""
    return read_manifest(folder, KIND)


def num_longer(folder_manifest: Manifest, tokens: int) -> int | None:
    """Answerable questions all of whose gold answers have more than so many tokens; None where nobody counted."""
    counts = folder_manifest.counts.get(ANSWERS_BY_TOKENS)
    return None if counts is None else sum(count for length, count in counts.items() if int(length) > tokens)


def manifest_of(folder: Path, squad: Path) -> Manifest:
    """The manifest of `folder`; SpanlineError unless its features were cut from the split file `squad`."""
    found = manifest(folder)
    if found.made_from["squad"] != sha256(squad):
        raise SpanlineError(
            folder, f"holds features of another split than {squad}", "cut them anew: dvc repro featurize"
        )
    return found


def read(folder_manifest: Manifest) -> Features:
    """All features of a folder in memory: about 2 kB each, so 260 MB for SQuAD's train set."""
    return checked(pa.concat_tables(read_shards(folder_manifest, KIND)), folder_manifest)


def read_part(folder_manifest: Manifest, number: int) -> Features:
    """The features of shard `number`."""
    return checked(read_shard(folder_manifest, number, KIND), folder_manifest)


def checked(table: pa.Table, origin: Manifest) -> Features:
    """`from_table` of what came out of a file: SpanlineError for other columns, or for positions that lie outside of
    their feature."""
    todo = "make them anew: dvc repro -s -f featurize"
    if not any(table.schema.equals(schema(size)) for size in (1, 1 << 17)):
        raise SpanlineError(origin.folder, "its columns are not those of features as this Spanline writes them", todo)
    found = from_table(table)
    wrong_N = _wrong(found)
    if wrong_N.any():
        row = int(wrong_N.argmax())
        where = f"{origin.folder}, question {found.ids[row]}, feature {found.window[row]}"
        raise SpanlineError(where, "has tokens, offsets or positions that do not fit together", todo)
    return found


def _wrong(found: Features) -> Array:
    """(N,) bool: lengths that differ, a position outside of the feature, offsets that run backwards."""
    length, count = found.lengths, found.context_lengths
    wrong: Array = (found.token_type_ids.lengths != length) | (found.offset_ends.lengths != count)
    wrong |= (found.max_context.lengths != count) | (found.context_start.astype(np.int64) + count > length)
    wrong |= found.null_position >= length  # the labels are train's alone, and checked there
    if wrong.any():
        return wrong
    backwards = (found.offset_starts.values < 0) | (found.offset_ends.values < found.offset_starts.values)
    wrong[np.repeat(np.arange(len(found)), count)[backwards]] = True
    return wrong


def example_bounds(features: Features) -> Array:
    """(E + 1,) row bounds of the features of each of E examples: a new example starts where `window` is 0."""
    starts = np.flatnonzero(features.window == 0)
    return np.append(starts, len(features)).astype(np.int64) if len(starts) else bounds_of(np.zeros(0, np.int64))

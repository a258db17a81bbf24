"""Folders of parquet shards with a manifest, the commit point: written last, checked first.

The manifest holds the kind and its schema version, what the shards were made from (hashes) and with which parameters,
counts, and each shard's rows, bytes and SHA-256. Shards hold a fixed number of rows (the last one fewer), zstd.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from spanline.common.errors import SpanlineError
from spanline.common.files import read_json, sha256, shortened, to_json
from spanline.common.memory import raise_if_out_of_memory

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Kind:
    """What a shard folder holds: its name, the version of its schema, and the stage that makes it."""

    name: str
    version: int
    stage: str
    delta_columns: tuple[str, ...] = ()  # rising integers: stored as differences
    made_from: tuple[str, ...] = ()  # inputs whose SHA-256 readers compare
    sizes: tuple[str, ...] = ()  # params that readers need, counts from 1 on


@dataclass(frozen=True)
class Manifest:
    """The checked manifest of a shard folder. `sha256` identifies the folder, since it covers every shard's hash."""

    folder: Path
    sha256: str
    rows: int
    shards: tuple[dict[str, Any], ...]  # file, rows, bytes, sha256
    made_from: Mapping[str, str]  # name of an input -> SHA-256
    params: Mapping[str, Any]
    counts: Mapping[str, Any]


HOLDS = (MANIFEST, "[0-9]*.parquet")  # a folder of shards


class ShardWriter:
    """Cuts a stream of tables into shards of `rows_per_shard` rows in `folder`; `finish` writes the manifest."""

    def __init__(self, folder: Path, kind: Kind, rows_per_shard: int) -> None:
        self._folder, self._kind, self._rows_per_shard = folder, kind, rows_per_shard
        self._pending: list[pa.Table] = []
        self._num_pending = 0
        self._shards: list[dict[str, Any]] = []

    def write(self, table: pa.Table) -> None:
        """Append rows; whole shards go to disk."""
        self._pending.append(table)
        self._num_pending += table.num_rows
        if self._num_pending >= self._rows_per_shard:
            rows = pa.concat_tables(self._pending)
            whole = rows.num_rows - rows.num_rows % self._rows_per_shard
            for start in range(0, whole, self._rows_per_shard):
                self._write_shard(rows.slice(start, self._rows_per_shard))
            rest = rows.slice(whole)
            self._pending, self._num_pending = [rest], rest.num_rows

    def finish(self, made_from: Mapping[str, str], params: Mapping[str, Any], counts: Mapping[str, Any]) -> None:
        """Write the last, shorter shard (an empty one if there are no rows at all) and the manifest."""
        rows = pa.concat_tables(self._pending)
        if rows.num_rows or not self._shards:
            self._write_shard(rows)
        manifest = {
            "kind": self._kind.name,
            "schema_version": self._kind.version,
            "rows": sum(shard["rows"] for shard in self._shards),
            "shards": self._shards,
            "made_from": dict(made_from),
            "params": dict(params),
            "counts": dict(counts),
        }
        (self._folder / MANIFEST).write_text(to_json(manifest), encoding="utf-8")

    def _write_shard(self, table: pa.Table) -> None:
        path = self._folder / f"{len(self._shards):05d}.parquet"
        write_table(table, path, self._kind.delta_columns)
        size = path.stat().st_size
        self._shards.append({"file": path.name, "rows": table.num_rows, "bytes": size, "sha256": sha256(path)})


def write_table(table: pa.Table, path: Path, delta_columns: tuple[str, ...] = ()) -> None:
    """One parquet file, zstd, the same bytes for the same rows however they were chunked in memory."""
    columns = [_leaf(field) for field in table.schema]
    dictionary = [name for field, name in zip(table.schema, columns, strict=True) if pa.types.is_string(field.type)]
    encoding = {name: "DELTA_BINARY_PACKED" for name in columns if name.split(".")[0] in delta_columns}
    pq.write_table(
        table.combine_chunks(), path, compression="zstd", use_dictionary=dictionary, column_encoding=encoding or None
    )


def _leaf(field: pa.Field) -> str:
    """The column's name as parquet spells it."""
    return f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name


def read_manifest(folder: Path, kind: Kind) -> Manifest:
    """The manifest of `folder`; SpanlineError for a missing folder, another kind or another schema version."""
    todo = f"run the stage that makes it: dvc repro {kind.stage}"
    path = folder / MANIFEST
    content = read_json(path, todo)
    if not isinstance(content, dict) or content.get("kind") != kind.name:
        raise SpanlineError(path, f"is no manifest of {kind.name}", todo)
    if content.get("schema_version") != kind.version:
        found = shortened(repr(content.get("schema_version")))
        raise SpanlineError(path, f"has schema version {found}, this Spanline reads {kind.version}", todo)
    wrong = [name for name, is_right in _ENTRIES.items() if not is_right(content.get(name))]
    wrong = wrong or [name for name in kind.made_from if name not in content["made_from"]]
    wrong = wrong or [name for name in kind.sizes if not _is_count(content["params"].get(name) or None)]
    if wrong:
        raise SpanlineError(path, f"its '{wrong[0]}' is missing or not as this Spanline writes it", todo)
    if content["rows"] != sum(shard["rows"] for shard in content["shards"]):
        raise SpanlineError(path, f"counts {content['rows']} rows, its shards have others together", todo)
    listed = {MANIFEST, *(shard["file"] for shard in content["shards"])}
    foreign = sorted(file.name for file in folder.iterdir() if file.name not in listed)
    if foreign:
        raise SpanlineError(folder / foreign[0], "is in the folder, though its manifest does not list it", "remove it")
    return Manifest(
        folder=folder,
        sha256=sha256(path),
        rows=content["rows"],
        shards=tuple(content["shards"]),
        made_from=content["made_from"],
        params=content["params"],
        counts=content["counts"],
    )


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def _are_shards(value: Any) -> bool:
    """A list of what `ShardWriter` says of each shard, each file another one in the folder itself."""
    if not isinstance(value, list) or not all(isinstance(shard, dict) for shard in value):
        return False
    names = [shard.get("file") for shard in value]
    return names == [f"{number:05d}.parquet" for number in range(len(value))] and all(
        _is_count(shard.get("rows")) and _is_count(shard.get("bytes")) and isinstance(shard.get("sha256"), str)
        for shard in value
    )


_ENTRIES: dict[str, Callable[[Any], bool]] = {
    "rows": _is_count,
    "shards": _are_shards,
    "made_from": lambda value: isinstance(value, dict) and all(isinstance(hashed, str) for hashed in value.values()),
    "params": lambda value: isinstance(value, dict),
    "counts": lambda value: isinstance(value, dict),
}


def read_shard(manifest: Manifest, index: int, kind: Kind) -> pa.Table:
    """Shard number `index`, its bytes checked against the manifest."""
    shard = manifest.shards[index]
    path = manifest.folder / shard["file"]
    todo = f"make it anew: dvc repro -s -f {kind.stage}"
    if not path.is_file():
        raise SpanlineError(path, "is missing, though the manifest lists it", todo)
    if path.stat().st_size != shard["bytes"] or sha256(path) != shard["sha256"]:
        raise SpanlineError(path, "differs from its checksum in the manifest", todo)
    try:
        with pq.ParquetFile(path) as file:  # pq.read_table would import pyarrow.dataset, a quarter of a second
            table = file.read()
        table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise_if_out_of_memory(error)
        raise SpanlineError(path, f"is damaged ({str(error).rstrip('.')})", todo) from None
    if table.num_rows != shard["rows"] or any(_has_null(column) for column in table.columns):
        raise SpanlineError(path, "has missing values, or other rows than the manifest says", todo)
    return table


def _has_null(column: pa.ChunkedArray) -> bool:
    """In the column, or in one of its lists."""
    parts = column.chunks if pa.types.is_list(column.type) else []
    return bool(column.null_count) or any(part.values.null_count for part in parts)


def read_shards(manifest: Manifest, kind: Kind) -> Iterator[pa.Table]:
    """Every shard in order."""
    for index in range(len(manifest.shards)):
        yield read_shard(manifest, index, kind)

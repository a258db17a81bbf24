"""Shard folders: the same rows give the same bytes however they came, and a damaged folder is one line."""

from __future__ import annotations

import json
import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanline.common.errors import SpanlineError
from spanline.common.files import sha256
from spanline.storage import shards
from spanline.storage.shards import Kind, ShardWriter

KIND = Kind("letters", 3, "featurize", delta_columns=("places",))
SCHEMA = pa.schema([("id", pa.string()), ("places", pa.list_(pa.int32())), ("size", pa.uint16())])


def table(count: int) -> pa.Table:
    generator = random.Random(5)
    rows = [
        {
            "id": f"q{row // 3}",
            "places": sorted(generator.sample(range(10_000), generator.randrange(9))),
            "size": generator.randrange(1 << 16),
        }
        for row in range(count)
    ]
    return pa.Table.from_pylist(rows, SCHEMA)


def write(folder: Path, rows: pa.Table, sizes: list[int], rows_per_shard: int) -> None:
    """Write `rows` in pieces of `sizes` rows, over and over until all are written."""
    folder.mkdir()
    writer, start = ShardWriter(folder, KIND, rows_per_shard), 0
    if not rows.num_rows:
        writer.write(rows)
    while start < rows.num_rows:
        for size in sizes:
            writer.write(rows.slice(start, size))
            start += size
    writer.finish({"squad": "1" * 64}, {"max_length": 8}, {"questions": 4})


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path) for path in sorted(folder.iterdir())}


def read(folder: Path) -> pa.Table:
    return pa.concat_tables(shards.read_shards(shards.read_manifest(folder, KIND), KIND))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 60), st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(1, 70))
def test_rows_survive_and_bytes_do_not_depend_on_the_pieces(count: int, sizes: list[int], rows_per_shard: int) -> None:
    with TemporaryDirectory() as name:
        tmp_path = Path(name)
        write(tmp_path / "pieces", table(count), sizes, rows_per_shard)
        write(tmp_path / "whole", table(count), [max(count, 1)], rows_per_shard)
        assert hashes(tmp_path / "pieces") == hashes(tmp_path / "whole")
        assert read(tmp_path / "pieces").equals(table(count))
        manifest = shards.read_manifest(tmp_path / "pieces", KIND)
        full, rest = divmod(count, rows_per_shard)
        assert [shard["rows"] for shard in manifest.shards] == [rows_per_shard] * full + [rest] * (rest > 0 or not full)
        assert manifest.rows == count


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "letters", table(25), [25], 10)
    return tmp_path / "letters"


def test_the_folder_and_its_manifest(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {
        "00000.parquet",
        "00001.parquet",
        "00002.parquet",
        "manifest.json",
    }
    content = json.loads((folder / "manifest.json").read_text())
    assert set(content) == {"kind", "schema_version", "rows", "shards", "made_from", "params", "counts"}
    last = folder / "00002.parquet"
    assert content["shards"][2] == {
        "file": "00002.parquet",
        "rows": 5,
        "bytes": last.stat().st_size,
        "sha256": sha256(last),
    }
    manifest = shards.read_manifest(folder, KIND)
    assert manifest.sha256 == sha256(folder / "manifest.json")
    assert (manifest.made_from, manifest.params, manifest.counts) == (
        {"squad": "1" * 64},
        {"max_length": 8},
        {"questions": 4},
    )


def test_shards_are_zstd_and_open_with_plain_pyarrow(folder: Path) -> None:
    metadata = pq.read_metadata(folder / "00000.parquet")
    columns = [metadata.row_group(0).column(index) for index in range(metadata.num_columns)]
    assert {column.compression for column in columns} == {"ZSTD"}
    assert "DELTA_BINARY_PACKED" in columns[1].encodings
    assert pq.read_table(folder / "00000.parquet").equals(table(25).slice(0, 10))


def message(folder: Path) -> str:
    with pytest.raises(SpanlineError) as caught:
        read(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(folder), "letters")


@pytest.mark.parametrize("position", [0, 100, -1])
def test_a_flipped_byte_is_one_line(folder: Path, position: int) -> None:
    path = folder / "00001.parquet"
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    todo = "make it anew: dvc repro -s -f featurize"
    assert message(folder) == f"letters/00001.parquet: differs from its checksum in the manifest; {todo}"


def test_a_cut_shard_is_one_line(folder: Path) -> None:
    path = folder / "00002.parquet"
    path.write_bytes(path.read_bytes()[:-10])
    todo = "make it anew: dvc repro -s -f featurize"
    assert message(folder) == f"letters/00002.parquet: differs from its checksum in the manifest; {todo}"


def test_a_missing_shard_is_one_line(folder: Path) -> None:
    (folder / "00000.parquet").unlink()
    todo = "make it anew: dvc repro -s -f featurize"
    assert message(folder) == f"letters/00000.parquet: is missing, though the manifest lists it; {todo}"


def change(folder: Path, **values: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_another_kind_is_one_line(folder: Path) -> None:
    change(folder, kind="digits")
    todo = "run the stage that makes it: dvc repro featurize"
    assert message(folder) == f"letters/manifest.json: is no manifest of letters; {todo}"


@pytest.mark.parametrize("content", ["[]", "{}", "5"])
def test_other_json_is_one_line(folder: Path, content: str) -> None:
    (folder / "manifest.json").write_text(content)
    todo = "run the stage that makes it: dvc repro featurize"
    assert message(folder) == f"letters/manifest.json: is no manifest of letters; {todo}"


def test_another_schema_version_is_one_line(folder: Path) -> None:
    change(folder, schema_version=2)
    todo = "run the stage that makes it: dvc repro featurize"
    assert message(folder) == f"letters/manifest.json: has schema version 2, this Spanline reads 3; {todo}"


def test_a_missing_manifest_is_one_line(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    todo = "run the stage that makes it: dvc repro featurize"
    assert message(folder) == f"letters/manifest.json: there is no such file; {todo}"


def test_half_a_manifest_is_one_line(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text()[:50])
    assert message(folder).startswith("letters/manifest.json: not JSON: ")


def test_the_manifest_is_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "letters").mkdir()
    writer = ShardWriter(tmp_path / "letters", KIND, 10)
    writer.write(table(25))
    assert {path.name for path in (tmp_path / "letters").iterdir()} == {"00000.parquet", "00001.parquet"}

    def fail(*args: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(shards, "write_table", fail)
    with pytest.raises(RuntimeError):
        writer.finish({}, {}, {})
    assert not (tmp_path / "letters" / "manifest.json").exists()

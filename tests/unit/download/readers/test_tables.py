"""Parquet whose texts are no UTF-8 is one line with row and column, wherever the bytes lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spanline.common.errors import SpanlineError
from spanline.dataset import splits
from spanline.dataset.records import Example, GoldAnswer
from spanline.download import formats
from spanline.download.checking.checks import strict
from spanline.download.readers import tables

BAD = b"\xff\xfe"


def as_text(column: pa.Array) -> pa.Array:
    """Binary values as texts that nobody checks, as another library may write them."""
    return pa.Array.from_buffers(pa.string(), len(column), column.buffers())


@pytest.mark.parametrize("name", ["id", "title", "context", "question", "answers"])
def test_bytes_that_are_no_text(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "ROWS_PER_GROUP", 4)
    examples = [Example(f"q{n}", "t", "a context", "what?", (GoldAnswer("a", 0),)) for n in range(10)]
    table = splits.to_table(examples)
    values: list[Any] = [b"a"] * 6 + [BAD] + [b"a"] * 3
    bad: pa.Array = as_text(pa.array(values, pa.binary()))
    if name == "answers":
        starts = table.column("answers").combine_chunks().field("answer_start")
        offsets = pa.array(range(11), pa.int32())
        bad = pa.StructArray.from_arrays([pa.ListArray.from_arrays(offsets, bad), starts], ["text", "answer_start"])
    at = table.schema.names.index(name)
    bad_table = table.set_column(at, name, bad)
    with pytest.raises(SpanlineError) as refusal:
        list(strict(tables.from_batches(bad_table.to_batches(4), "data"), "data"))  # as the hub's library gives them
    # ids that repeat are named before that
    line = f"data, row 7: '{name}' is not UTF-8; write the texts as UTF-8"
    assert str(refusal.value) == line if name != "id" else str(refusal.value).startswith("data, row 2, question 'a': ")
    path = tmp_path / "data.parquet"
    pq.write_table(bad_table, path)
    with pytest.raises(SpanlineError, match=r"^data\.parquet") as refusal:
        list(formats.read_parquet(path, "data.parquet"))
    assert "UTF8" in str(refusal.value) or name == "id"

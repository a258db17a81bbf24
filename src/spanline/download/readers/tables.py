"""Parquet in the hub's layout that somebody else wrote, and whatever else comes as Arrow batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from spanline.common.errors import SpanlineError
from spanline.dataset import splits
from spanline.download.checking.flaws import Flaw
from spanline.download.checking.raw import Raw
from spanline.download.readers import flat

_TODO = "fetch it anew, or set its format"


def parquet(path: Path, origin: str) -> Iterator[Raw | Flaw]:
    """The questions of a parquet file; other columns are ignored.

    Raises SpanlineError that names `origin` for a file that is damaged, lacks a column or holds bytes that are no text.
    """
    with splits.open_parquet(path, origin, "check the path", _TODO) as file:
        names = file.schema_arrow.names
        flat.check_columns(names, origin)
        kept = [name for name in (*flat.FIELDS, "is_impossible") if name in names]
        yield from from_batches(splits.batches(file, kept, origin, _TODO), origin)


def from_batches(batches: Iterable[Any], origin: str) -> Iterator[Raw | Flaw]:
    """The questions of Arrow batches (or tables) in the hub's layout; `origin` names them in errors."""
    return flat.records(_rows(batches, origin))


def _rows(batches: Iterable[Any], origin: str) -> Iterator[tuple[Any, str]]:
    number = 0
    for batch in batches:
        kept = [name for name in (*flat.FIELDS, "is_impossible") if name in batch.schema.names]
        for row in _python(batch.select(kept), origin, number):
            number += 1
            yield row, f"{origin}, row {number}"


def _python(batch: Any, origin: str, before: int) -> list[dict[str, Any]]:
    try:
        return batch.to_pylist()  # type: ignore[no-any-return]
    except UnicodeDecodeError:
        name, row = _not_utf8(batch)
        what = f"'{name}' is not UTF-8"
        raise SpanlineError(f"{origin}, row {before + row + 1}", what, "write the texts as UTF-8") from None


def _not_utf8(batch: Any) -> tuple[str, int]:
    """Column and row of the first value that is no text."""
    for row in range(batch.num_rows):
        for name in batch.schema.names:
            try:
                batch.column(name)[row].as_py()
            except UnicodeDecodeError:
                return name, row
    raise AssertionError("every value is a text")

"""Files that are whole or absent: written under a temporary name, flushed, renamed; a folder's manifest comes last."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from spanline.common.errors import SpanlineError
from spanline.common.locks import beside, only_one


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_json(value: Any) -> str:
    """JSON as we write it everywhere: UTF-8 text, sorted keys, one space of indent, a final newline; NaN is refused."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False) + "\n"


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """CSV as we write it everywhere: a header, a line per row, "\\n" behind each; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def write_text(path: Path, text: str) -> None:
    """Write `path` atomically (as UTF-8), making its folder."""
    with new_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: Path, todo: str) -> Any:
    """The JSON of `path`; SpanlineError ending in `todo` when it is missing or malformed, as `parse_json` has it."""
    try:
        return parse_json(path.read_bytes())
    except FileNotFoundError:
        raise SpanlineError(path, "there is no such file", todo) from None
    except IsADirectoryError:
        raise SpanlineError(path, "is a folder, not a file", todo) from None
    except ValueError as error:
        raise SpanlineError(path, f"not JSON: {error}", todo) from None


def parse_json(content: bytes | str) -> Any:
    """What a JSON text says. ValueError also for what Python's own reader lets pass: NaN and Infinity, numbers beyond
    float64, a key that comes twice in an object, lists so deep that they end the reader's stack."""
    try:
        if isinstance(content, bytes):
            content = content.decode(json.detect_encoding(content), "surrogatepass")  # as json.loads does
        return _DECODER.decode(content.removeprefix("\ufeff"))
    except RecursionError:
        raise ValueError("lists or objects lie too deep in each other") from None


def is_number(value: Any) -> bool:
    """Whether a value that came out of a file is a finite number; true and false are none."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer beyond float64
        return False


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{shortened(text)} is beyond the largest number")
    return number


def shortened(text: str, most: int = 40) -> str:
    """So that a message which quotes a file stays a line."""
    return text if len(text) <= most else f"{text[:most]}..."


def _with_different_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {shortened(twice)!r} comes twice in an object")
    return found


# json.loads makes a decoder for every call, which costs more than to read a line.
_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_with_different_keys)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends well and removed when it does not.

    SpanlineError, before anything is done, where `path` is a folder, or while another process writes it.
    """
    with _to_be_written(path, None) as temporary:
        temporary.unlink(missing_ok=True)
        try:
            yield temporary
            _flush(temporary)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def new_folder(path: Path, holds: Collection[str]) -> Iterator[Path]:
    """A temporary folder beside `path`, renamed to it when the block ends well and removed when it does not.

    `holds`: patterns of the names that such a folder has. An old folder under the final name goes only when the new one
    is whole. SpanlineError, before anything is done, where `path` is a file, a link or a folder of other things, or
    while another process writes it.
    """
    with _to_be_written(path, holds) as temporary:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        try:
            yield temporary
            for file in sorted(temporary.rglob("*")):
                _flush(file)
            if path.exists():
                shutil.rmtree(path)
            temporary.rename(path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


@contextmanager
def claimed(path: Path, holds: Collection[str] | None) -> Iterator[None]:
    """Inside the block no other process writes `path`. For who writes it after hours of work: what stands in the way of
    `new_file` (`holds` is None) or `new_folder` is an error at once."""
    is_folder = holds is not None
    if path.is_dir() if not is_folder else path.is_symlink() or (path.exists() and not path.is_dir()):
        found = "a link" if path.is_symlink() else "a folder" if path.is_dir() else "a file"
        wanted = "a folder" if is_folder else "a file"
        raise SpanlineError(path, f"is {found}, and {wanted} is to be written there", "give another path, or remove it")
    if holds is not None and path.is_dir():
        _refuse_others(path, holds)
    with only_one(beside(path), path):
        yield


def _refuse_others(path: Path, holds: Collection[str]) -> None:
    """A new folder takes the place of the old one, whose files go: nobody's but those of a folder like it."""
    known = [*holds, ".gitignore"]  # DVC's, beside outputs that are files
    names = sorted(entry.name for entry in path.iterdir())
    others = [name for name in names if not any(fnmatchcase(name, pattern) for pattern in known)]
    if others:
        more = f" and {len(others) - 1:,} more" if len(others) > 1 else ""
        what = f"holds {shortened(others[0])!r}{more}, which would be lost: a new folder takes its place"
        raise SpanlineError(path, what, "give another path, or move that away")


@contextmanager
def _to_be_written(path: Path, holds: Collection[str] | None) -> Iterator[Path]:
    """Its temporary path. The folder around it is made."""
    with claimed(path, holds):
        yield _temporary(path)


def _temporary(path: Path) -> Path:
    """A fixed name, so that what a kill left behind is removed by the next run instead of piling up."""
    return path.with_name(f".{path.name}.partial")


def _flush(path: Path) -> None:
    """Bytes reach the disk before the rename does, so that a power cut can't leave an empty file under a final name."""
    if path.is_file():
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

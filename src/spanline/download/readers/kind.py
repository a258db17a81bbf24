"""What a file is by its content: one of the formats that are read, or something else that has taken its place."""

from __future__ import annotations

import json
import re
from pathlib import Path

from spanline.common.errors import SpanlineError

FORMATS = {  # name in download.files.format -> what people call it
    "squad": "the official JSON",
    "flat": "run_qa's JSON (a list of questions, or one under 'data')",
    "jsonl": "JSON lines",
    "csv": "CSV",
    "parquet": "parquet",
}
_BY_NAME = {
    ".json": "squad",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
}
UNKNOWN = f"neither its content nor its name ({', '.join(_BY_NAME)}) tells its format"
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_LFS = b"version https://git-lfs.github.com/spec/"
_HEAD_BYTES = 1 << 16
_LONGEST_LINE_BYTES = 1 << 24  # of the first line, which tells JSON lines from one JSON text
_KEY = re.compile(rb'"(paragraphs|question)"\s*:')  # in a text of the file its quotes would be escaped

_OPENING = re.compile(rb'[\[{\s]*("[^"]*"\s*:[\[{\s]*)?')  # all that the first line of indented JSON holds


def something_else(path: Path) -> tuple[str, str] | None:
    """What the file is instead of data, and what to do; None if it may be data."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not head:
        return "is empty (0 bytes)", "fetch it anew"
    if not text and path.stat().st_size <= _HEAD_BYTES:
        return "holds nothing but white space", "fetch it anew"
    if head.startswith(_LFS):
        return "is a Git LFS pointer, not the file", "fetch the file itself: git lfs pull"
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<body", b"<!--")):
        page = "XML" if text.startswith(b"<?xml") else "an HTML page"
        return f"is {page}, not data", "a server answered with a page: check the URL, and that it needs no login"
    for magic, name in _PACKED.items():
        if head.startswith(magic):
            return f"is packed ({name})", "unpack it, and give the path of what is inside"
    return None


def check_is_data(path: Path, origin: str) -> None:
    """SpanlineError that names the file as what it is."""
    found = something_else(path)
    if found is not None:
        raise SpanlineError(origin, *found)


def format_of(path: Path, given: str, origin: str) -> str:
    """The format by content, else by the end of the name. `given` is what the user says, or auto.

    Raises SpanlineError for what is none of the formats, and where content and `given` contradict each other.
    """
    found = by_content(path)
    if given != "auto":
        if found not in (None, given):
            todo = f"set download.files.format to {found}, or to auto"
            raise SpanlineError(origin, f"is {FORMATS[str(found)]}, not {FORMATS[given]}", todo)
        return given
    found = found or by_name(path)
    if found is None:
        raise SpanlineError(origin, UNKNOWN, f"set download.files.format to {', '.join(FORMATS)}")
    return found


def by_name(path: Path) -> str | None:
    return _BY_NAME.get(path.suffix.lower())


def by_content(path: Path, columns: tuple[bytes, ...] = (b"context", b"question", b"answers")) -> str | None:
    """None where the content leaves it open, as that of a file that is broken or no data. A CSV has these `columns`."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES).removeprefix(b"\xef\xbb\xbf")
    if head.startswith(b"PAR1"):
        return "parquet"
    if not head.lstrip().startswith((b"{", b"[")):
        header = head.partition(b"\n")[0]
        names = all(name in header for name in columns)
        return "csv" if names and b"{" not in header else None
    key = _first_key(path)
    if key is None:
        return None
    return "squad" if key == b"paragraphs" else _lines_or_list(path)


def _first_key(path: Path) -> bytes | None:
    """Articles have paragraphs, and their questions lie inside: so the key that comes first tells."""
    with path.open("rb") as file:
        before = b""
        while chunk := file.read(_HEAD_BYTES):
            if match := _KEY.search(before + chunk):
                return match[1]
            before = chunk[-32:]
    return None


def _lines_or_list(path: Path) -> str | None:
    """Of records: JSON lines if the first line is one, one JSON text if it goes on; None if it is broken."""
    with path.open("rb") as file:
        line = next((line for line in iter(lambda: file.readline(_LONGEST_LINE_BYTES), b"") if line.strip()), b"")
    if _OPENING.fullmatch(line.removeprefix(b"\xef\xbb\xbf").strip()):
        return "flat"
    try:
        first = json.loads(line.strip())
    except (ValueError, RecursionError):
        return None
    return "jsonl" if isinstance(first, dict) and "question" in first else "flat"

"""A file is known by what it holds, whatever its name says; what has taken the place of data is named."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spanline.common.errors import SpanlineError
from spanline.download.readers import kind
from tests.make.foreign import GOOD, record

RECORDS = [record(), record(id="q2")]
LINES = "\n".join(json.dumps(one) for one in RECORDS)
CSV = 'id,context,question,answers\nq1,Lake Orvel is cold.,What?,"{}"\n'
LATE = [{"id": "q1", "context": "x" * 200_000, "question": "What?", "answers": {"text": [], "answer_start": []}}]


def parquet(path: Path) -> bytes:
    pq.write_table(pa.table({"id": ["q1"]}), path)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (json.dumps(GOOD), "squad"),
        (json.dumps(GOOD, indent=1), "squad"),
        ("\ufeff \n" + json.dumps(GOOD), "squad"),
        (json.dumps({"version": "x" * 300_000, **GOOD}), "squad"),
        (json.dumps({"data": RECORDS}), "flat"),
        (json.dumps({"data": RECORDS}, indent=1), "flat"),
        (json.dumps(RECORDS), "flat"),
        (json.dumps(RECORDS, indent=1), "flat"),
        (json.dumps({"data": LATE}), "flat"),
        (LINES, "jsonl"),
        ("\n\n" + LINES, "jsonl"),
        (LINES + "\nbroken", "jsonl"),
        (json.dumps(record(question='"paragraphs":')), "jsonl"),
        (CSV, "csv"),
        (CSV.replace(",", ";"), "csv"),
        (CSV.replace(",", "\t"), "csv"),
    ],
    ids=lambda value: str(value)[:40],
)
@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv", "a.parquet", "a", "a.txt"])
def test_content_decides(tmp_path: Path, content: str, found: str, name: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    kind.check_is_data(path, name)
    assert kind.format_of(path, "auto", name) == found
    assert kind.format_of(path, found, name) == found
    other = "jsonl" if found != "jsonl" else "squad"
    with pytest.raises(SpanlineError) as refusal:
        kind.format_of(path, other, name)
    what = f"is {kind.FORMATS[found]}, not {kind.FORMATS[other]}"
    assert str(refusal.value) == f"{name}: {what}; set download.files.format to {found}, or to auto"


def test_parquet_under_another_name(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(parquet(tmp_path / "b"))
    assert kind.format_of(path, "auto", "a.json") == "parquet"


@pytest.mark.parametrize(
    ("name", "found"),
    [("a.json", "squad"), ("a.JSONL", "jsonl"), ("a.ndjson", "jsonl"), ("a.tsv", "csv"), ("a.parquet", "parquet")],
)
@pytest.mark.parametrize("content", ["{}", "[", "what is this"])
def test_where_the_content_leaves_it_open_the_name_decides(tmp_path: Path, name: str, found: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert kind.format_of(path, "auto", name) == found


def test_neither_tells(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("what is this")
    with pytest.raises(SpanlineError) as refusal:
        kind.format_of(path, "auto", "a.txt")
    assert str(refusal.value) == (
        "a.txt: neither its content nor its name (.json, .jsonl, .ndjson, .csv, .tsv, .parquet) tells its format; "
        "set download.files.format to squad, flat, jsonl, csv, parquet"
    )


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 42123633\n"
HTML_TODO = "a server answered with a page: check the URL, and that it needs no login"
UNPACK = "unpack it, and give the path of what is inside"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "is empty (0 bytes); fetch it anew"),
        (b" \n\t\r\n", "holds nothing but white space; fetch it anew"),
        (b"\xef\xbb\xbf", "holds nothing but white space; fetch it anew"),
        (LFS, "is a Git LFS pointer, not the file; fetch the file itself: git lfs pull"),
        (b"<!DOCTYPE html>\n<html>", f"is an HTML page, not data; {HTML_TODO}"),
        (b"\xef\xbb\xbf\n<HTML><body>", f"is an HTML page, not data; {HTML_TODO}"),
        (b"<?xml version='1.0'?><Error/>", f"is XML, not data; {HTML_TODO}"),
        (gzip.compress(b"{}", mtime=0), f"is packed (gzip); {UNPACK}"),
        (bz2.compress(b"{}"), f"is packed (bzip2); {UNPACK}"),
        (lzma.compress(b"{}"), f"is packed (xz); {UNPACK}"),
        (b"PK\x03\x04rest", f"is packed (zip); {UNPACK}"),
    ],
    ids=lambda value: str(value)[:30],
)
@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.parquet", "a.csv"])
def test_what_is_no_data_is_named(tmp_path: Path, name: str, content: bytes, line: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SpanlineError) as refusal:
        kind.check_is_data(path, name)
    assert str(refusal.value) == f"{name}: {line}"


def test_a_broken_first_line_leaves_it_to_the_user(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(LINES[5:] + "\n" + LINES)
    assert kind.format_of(path, "auto", "a.jsonl") == "jsonl"
    path.write_text('{"question": "x\n' + LINES)
    assert kind.format_of(path, "jsonl", "a.jsonl") == "jsonl"


def test_white_space_before_data_is_data(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(" " * 100_000 + json.dumps(GOOD))
    assert kind.something_else(path) is None

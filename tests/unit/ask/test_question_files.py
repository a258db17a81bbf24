"""The same questions from every format, whatever they lack that nobody needs; mistakes say where they are."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from spanline.ask.question_files import read
from spanline.common.errors import SpanlineError
from spanline.dataset import splits
from spanline.dataset.records import Example
from tests.make.project import tiny_examples
from tests.paths import TINY

WANTED = [Example(e.id, e.title, e.context, e.question, ()) for e in tiny_examples()]
BARE = [Example(str(n), "", "Ada lives in Orvel.", q, ()) for n, q in enumerate(["Who?", "Where,\nplease?"], 1)]
RECORDS = [{"context": e.context, "question": e.question} for e in BARE]


def write_csv(path: Path, records: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, records[0])
        writer.writeheader()
        writer.writerows(records)


def test_gold_is_not_looked_at(tmp_path: Path) -> None:
    assert list(read(TINY, "auto")) == WANTED
    splits.write(tmp_path / "a.parquet", tiny_examples())
    assert list(read(tmp_path / "a.parquet", "auto")) == WANTED
    records = [{"id": e.id, "title": e.title, "context": e.context, "question": e.question} for e in WANTED]
    (tmp_path / "a.jsonl").write_text("\n\n".join(json.dumps({**r, "answers": "broken"}) for r in records))
    assert list(read(tmp_path / "a.jsonl", "auto")) == WANTED
    write_csv(tmp_path / "a.csv", records)
    assert list(read(tmp_path / "a.csv", "auto")) == WANTED


def test_questions_without_ids_are_numbered(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    (tmp_path / "a.json").write_text(json.dumps(RECORDS))
    paragraph = {"context": BARE[0].context, "qas": [{"question": e.question} for e in BARE]}
    (tmp_path / "b.json").write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}))
    write_csv(tmp_path / "a.csv", RECORDS)
    for name in ("a.jsonl", "a.json", "b.json", "a.csv"):
        assert list(read(tmp_path / name, "auto")) == BARE, name
    (tmp_path / "odd.txt").write_text(json.dumps({**RECORDS[0], "id": 7}))
    assert next(read(tmp_path / "odd.txt", "jsonl")).id == "7"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt"])
def test_a_table_may_have_any_of_three_separators_and_any_name(name: str, separator: str, tmp_path: Path) -> None:
    with (tmp_path / name).open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerows([["question", "context"], *([e.question, e.context] for e in BARE)])
    assert list(read(tmp_path / name, "auto")) == BARE


def test_content_counts_more_than_the_name(tmp_path: Path) -> None:
    shutil.copy(TINY, tmp_path / "a.jsonl")
    assert list(read(tmp_path / "a.jsonl", "auto")) == WANTED
    (tmp_path / "b.csv").write_text(json.dumps({"data": RECORDS}))
    (tmp_path / "c.json").write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    splits.write(tmp_path / "d.json", tiny_examples())
    assert list(read(tmp_path / "b.csv", "auto")) == list(read(tmp_path / "c.json", "auto")) == BARE
    assert list(read(tmp_path / "d.json", "auto")) == WANTED


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "{", "a.json: not JSON"),
        ("a.json", '{"questions": []}', "a.json: has no list 'data'"),
        ("a.json", '{"data": [{"paragraphs": 3}]}', "a.json, article 1: has no list 'paragraphs'"),
        ("a.json", '{"data": [{"paragraphs": [{"context": "c"}]}]}', "article 1, paragraph 1: has no list 'qas'"),
        ("a.json", '{"data": [{"paragraphs": [{"qas": [{"question": "q"}]}]}]}', "question 1: has no 'context'"),
        ("a.json", "[]", "a.json: holds no question"),
        ("a.jsonl", '{"question": "q", "context": " "}', "a.jsonl, line 1: 'context' is ' ', no text with words"),
        ("a.jsonl", '\n{"question": 3, "context": "c"}', "a.jsonl, line 2: 'question' is 3, no text with words"),
        ("a.jsonl", '{"question": "\\ud83d", "context": "c"}', "'question' has half a surrogate pair at character 0"),
        ("a.jsonl", "3", "a.jsonl, line 1: is no record"),
        ("a.jsonl", '{"id": 1, "question": "q", "context": "c"}\n' * 2, "line 2: the id '1' has come before"),
        ("a.jsonl", b"\xff", "a.jsonl: not UTF-8 at byte 0"),
        ("a.csv", "question,text\nq,c\n", "a.csv, line 2: has no 'context'"),
        ("a.csv", 'question,context\n"q"x,c\n', "a.csv, after line 1: not CSV"),
        ("a.parquet", "PAR1", "a.parquet: is no whole parquet file"),
        ("a.txt", "words", "a.txt: neither its content nor its name (.json, .jsonl, .ndjson, .csv, "),
        ("a.json", "", "a.json: is empty (0 bytes)"),
        ("a.json", "<!DOCTYPE html><html>", "a.json: is an HTML page, not data"),
        ("a.jsonl", "version https://git-lfs.github.com/spec/v1\noid x", "a.jsonl: is a Git LFS pointer, not the file"),
        ("a.csv", b"\x1f\x8b\x08", "a.csv: is packed (gzip); unpack it"),
    ],
)
def test_mistakes_say_where_they_are(name: str, content: str | bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SpanlineError) as caught:
        list(read(tmp_path / name, "auto"))
    assert message in str(caught.value)


def test_what_is_no_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SpanlineError, match="is a folder; give a file of questions"):
        list(read(tmp_path, "auto"))
    with pytest.raises(SpanlineError, match="there is no such file; give a file of questions"):
        list(read(tmp_path / "none.json", "auto"))

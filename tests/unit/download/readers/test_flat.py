"""Records in the hub's field names come out the same from JSON, JSON lines, CSV and parquet; odd cells are named."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spanline.common.errors import SpanlineError
from spanline.dataset import splits
from spanline.dataset.records import Example
from spanline.download import formats
from spanline.download.checking.checks import made, strict
from spanline.download.readers.literal import literal
from tests.make.foreign import record
from tests.paths import TINY


def read(path: Path, format_: str) -> list[Example]:
    return list(strict(formats.READERS[format_](path, path.name), path.name))


def tiny() -> list[Example]:
    return list(formats.read_official(TINY, "tiny"))


def rows(examples: list[Example]) -> list[dict[str, Any]]:
    return splits.to_table(examples).to_pylist()


def as_json(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text(json.dumps({"version": 1, "data": rows}), encoding="utf-8")
    return "flat"


def as_list(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return "flat"


def as_lines(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return "jsonl"


def with_answer_objects(path: Path, rows: list[dict[str, Any]]) -> str:
    """Answers as the official file has them."""
    listed = [
        [{"text": text, "answer_start": start} for text, start in zip(*row["answers"].values(), strict=True)]
        for row in rows
    ]
    return as_lines(path, [{**row, "answers": answers} for row, answers in zip(rows, listed, strict=True)])


def as_parquet(path: Path, rows: list[dict[str, Any]]) -> str:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return "parquet"


def as_csv(
    path: Path, rows: list[dict[str, Any]], text: Callable[[Any], str] = json.dumps, delimiter: str = ","
) -> str:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows({**row, "answers": text(row["answers"])} for row in rows)
    return "csv"


def as_pandas_csv(path: Path, rows: list[dict[str, Any]]) -> str:
    """What `datasets` and pandas write: the answers as Python prints a dict of arrays."""
    pq.write_table(pa.Table.from_pylist(rows), path)
    pd.read_parquet(path).to_csv(path, index=False)
    assert "array(" in path.read_text(encoding="utf-8")
    return "csv"


WRITERS: dict[str, Callable[[Path, list[dict[str, Any]]], str]] = {
    "run_qa": as_json,
    "list": as_list,
    "lines": as_lines,
    "answer objects": with_answer_objects,
    "parquet": as_parquet,
    "csv": as_csv,
    "csv of Python": lambda path, rows: as_csv(path, rows, repr),
    "csv with semicolons": lambda path, rows: as_csv(path, rows, delimiter=";"),
    "tsv": lambda path, rows: as_csv(path, rows, delimiter="\t"),
    "csv of pandas": as_pandas_csv,
}


@pytest.mark.parametrize("writer", WRITERS)
def test_every_form_gives_the_same_examples(tmp_path: Path, writer: str) -> None:
    path = tmp_path / "data"
    assert read(path, WRITERS[writer](path, rows(tiny()))) == tiny()


@pytest.mark.parametrize("writer", WRITERS)
def test_a_layout_without_titles_has_an_article_per_context(tmp_path: Path, writer: str) -> None:
    path = tmp_path / "data"
    untitled = [{name: value for name, value in row.items() if name != "title"} for row in rows(tiny())]
    found = read(path, WRITERS[writer](path, untitled))
    assert [example.id for example in found] == [example.id for example in tiny()]
    assert [example.title for example in found] == [made("untitled", example.context) for example in tiny()]


@pytest.mark.parametrize("writer", sorted(set(WRITERS) - {"parquet", "csv of pandas"}))
def test_a_missing_title_among_others_is_a_flaw(tmp_path: Path, writer: str) -> None:
    path = tmp_path / "data"
    first, second, *_ = rows(tiny())
    with pytest.raises(SpanlineError, match="field 'title' is missing"):
        read(path, WRITERS[writer](path, [first, {**second, "title": None}]))


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        ("cold", "'answers' is 'cold'"),
        ("{'text': ['cold'], 'answer_start': [14]", "'answers' is "),
        ("{'text': ['cold', ...], 'answer_start': [14]}", "'answers' is "),
        ("__import__('os').getpid()", "'answers' is "),
        ("{'text': open('x'), 'answer_start': [14]}", "'answers' is "),
        ("[" * 5000, "'answers' is "),
        ("9" * 5000, "'answers' is "),
        ("", "field 'answers' is missing; add it: an object"),
        ("7", "'answers' is 7; write an object"),
    ],
    ids=lambda value: value[:20],
)
def test_cells_that_are_no_answers(tmp_path: Path, cell: str, what: str) -> None:
    path = tmp_path / "data.csv"
    as_csv(path, [record()], lambda _: cell)
    with pytest.raises(SpanlineError) as refusal:
        read(path, "csv")
    assert str(refusal.value).startswith(f"data.csv, row 1, question 'q1': {what}")


def test_is_impossible_in_a_cell(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    for cell, answers, fits in (
        ("True", [], True),
        ("false", [], False),
        ("FALSE", ["Lake Orvel"], True),
        ("", [], True),
    ):
        row = record(answers={"text": answers, "answer_start": [0] * len(answers)}, is_impossible=cell)
        as_csv(path, [row])
        if fits:
            assert len(read(path, "csv")) == 1
        else:
            with pytest.raises(SpanlineError, match="'is_impossible' is false but it has no answer"):
                read(path, "csv")


def test_broken_csv(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("id,context,question\nq,c,w\n")
    with pytest.raises(SpanlineError) as refusal:
        read(path, "csv")
    todo = "it has id, context, question; rename or add, as in the hub's squad_v2"
    assert str(refusal.value) == f"data.csv: column 'answers' is missing; {todo}"
    path.write_bytes("id,context,question,answers\nq,caf\u00e9,w,{}\n".encode("latin-1"))
    with pytest.raises(SpanlineError, match=r"^data\.csv: not UTF-8 at byte \d+; save it as UTF-8$"):
        read(path, "csv")
    path.write_bytes(b"id,context,question,answers\nq,c\0c,w,{}\n")
    with pytest.raises(SpanlineError, match=r"^data\.csv"):
        read(path, "csv")


def test_a_cell_may_be_longer_than_pythons_limit(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    as_csv(path, [record(context="Lake Orvel " + "x" * 200_000)])
    assert len(read(path, "csv")[0].context) == 200_011


def test_literals() -> None:
    assert literal("{'a': [1, -2.5, None, True], \"b\": ('x',)}") == {"a": [1, -2.5, None, True], "b": ["x"]}
    assert literal("{'text': array(['a', \"b's\"], dtype=object), 'n': array([], dtype=int32)}") == {
        "text": ["a", "b's"],
        "n": [],
    }
    for text in ("", "x", "f(1)", "1 + 1", "{**{}}", "[x for x in y]", "b'x'", "array()", "-'x'", "lambda: 0"):
        with pytest.raises(ValueError, match="no literal"):
            literal(text)

"""A split on disk: one parquet row per question, in the layout that SQuAD has on the hub."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from spanline.common.errors import SpanlineError
from spanline.common.files import new_file
from spanline.common.memory import raise_if_out_of_memory
from spanline.dataset.records import Example, GoldAnswer

SCHEMA = pa.schema(
    [
        ("id", pa.string()),  # unique in the file
        ("title", pa.string()),  # the article's
        ("context", pa.string()),  # as the source gives it
        ("question", pa.string()),
        # the gold answers, none for an unanswerable question; answer_start in characters (code points) of the context
        ("answers", pa.struct([("text", pa.list_(pa.string())), ("answer_start", pa.list_(pa.int32()))])),
    ]
)
ROWS_PER_GROUP = 5_000  # what a worker of featurize holds at a time, ...
CHARACTERS_PER_GROUP = 8_000_000  # ... or fewer rows, of long contexts (each counted for each row)
_DICTIONARY_BYTES = 16 << 20  # holds a row group's contexts, each of which comes about seven times


@dataclass(frozen=True)
class Counts:
    """What a split holds."""

    articles: int  # different titles
    questions: int
    answerable: int
    unanswerable: int

    def __str__(self) -> str:
        what = f"{self.questions:,} questions in {self.articles:,} articles"
        return f"{what}, {self.answerable:,} answerable, {self.unanswerable:,} not"


def write(path: Path, examples: Iterable[Example]) -> Counts:
    """Write the split atomically, a row group in memory at a time; the same examples give the same bytes."""
    titles: set[str] = set()
    questions = answerable = 0
    with new_file(path) as temporary, _writer(temporary) as writer:
        for group in _groups(examples):
            writer.write_table(to_table(group))
            titles.update(example.title for example in group)
            questions += len(group)
            answerable += sum(example.is_answerable for example in group)
    return Counts(len(titles), questions, answerable, questions - answerable)


def _groups(examples: Iterable[Example]) -> Iterator[list[Example]]:
    """Consecutive examples, until there are ROWS_PER_GROUP of them or CHARACTERS_PER_GROUP of their contexts."""
    group: list[Example] = []
    characters = 0
    for example in examples:
        group.append(example)
        characters += len(example.context)
        if len(group) == ROWS_PER_GROUP or characters >= CHARACTERS_PER_GROUP:
            yield group
            group, characters = [], 0
    if group:
        yield group


def _writer(path: Path) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        path,
        SCHEMA,
        compression="zstd",
        use_dictionary=["title", "context"],
        dictionary_pagesize_limit=_DICTIONARY_BYTES,
        write_page_checksum=True,  # a damaged page is an error, never another text
    )


def to_table(examples: list[Example]) -> pa.Table:
    """The examples as rows of SCHEMA."""
    answers = [
        {"text": [a.text for a in example.answers], "answer_start": [a.start for a in example.answers]}
        for example in examples
    ]
    columns = [[getattr(example, name) for example in examples] for name in SCHEMA.names[:-1]]
    arrays = [pa.array(column, pa.string()) for column in columns]
    return pa.Table.from_arrays([*arrays, pa.array(answers, SCHEMA.field("answers").type)], schema=SCHEMA)


def read(path: Path) -> Iterator[Example]:
    """The examples of a split that `write` wrote, in file order, a row group in memory at a time."""
    for batch in _own_batches(path, SCHEMA.names):
        yield from from_rows(batch)


def from_rows(rows: pa.RecordBatch | pa.Table) -> Iterator[Example]:
    """The inverse of `to_table`."""
    context = ""
    for row in zip(*(column.to_pylist() for column in rows.columns), strict=True):
        # the rows of a paragraph are neighbours: one copy of its context serves them all
        context = context if row[2] == context else row[2]
        yield Example(row[0], row[1], context, row[3], _answers(row[4]))


def _answers(record: dict[str, list[Any]]) -> tuple[GoldAnswer, ...]:
    return tuple(GoldAnswer(text, start) for text, start in zip(record["text"], record["answer_start"], strict=True))


def group_sizes(path: Path) -> list[int]:
    """Questions of each row group of a split that `write` wrote."""
    with _open_split(path) as file:
        return [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)]


def read_group(path: Path, index: int) -> pa.Table:
    """One row group of a split that `write` wrote, as rows of SCHEMA; each column one chunk."""
    with _open_split(path) as file, _damage(str(path), _MAKE_ANEW):
        group = file.read_row_group(index, use_threads=False).combine_chunks()
        group.validate(full=True)
        return group


def read_gold(path: Path) -> dict[str, list[str]]:
    """The texts of every question's gold answers by question id, in file order; [] for an unanswerable one."""
    table = _read_columns(path, ["id", "answers.text"])
    texts = table.column("answers").combine_chunks().field("text")
    return dict(zip(table.column("id").to_pylist(), texts.to_pylist(), strict=True))


def read_contexts(path: Path) -> dict[str, str]:
    """Every question's context by question id, in file order; the questions of a paragraph share one copy."""
    table = _read_columns(path, ["id", "context"])
    encoded = table.column("context").combine_chunks().dictionary_encode()
    contexts = encoded.dictionary.to_pylist()
    ids = table.column("id").to_pylist()
    return {qid: contexts[index] for qid, index in zip(ids, encoded.indices.to_pylist(), strict=True)}


def _read_columns(path: Path, columns: list[str]) -> pa.Table:
    batches = list(_own_batches(path, columns))
    fields = [SCHEMA.field(column.partition(".")[0]) for column in columns]
    return pa.Table.from_batches(batches) if batches else pa.schema(fields).empty_table()


def _own_batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    with _open_split(path) as file:
        yield from batches(file, columns, str(path), _MAKE_ANEW)


_MAKE_ANEW = "make it anew: dvc repro -f download"


def _open_split(path: Path) -> pq.ParquetFile:
    """A file of our own: its schema is compared, its records were checked when it was written."""
    file = open_parquet(path, str(path), "run the stage that makes it: dvc repro download", _MAKE_ANEW)
    if not file.schema_arrow.equals(SCHEMA):
        file.close()
        what = f"its columns are not {', '.join(SCHEMA.names)} as this Spanline writes them"
        raise SpanlineError(path, what, _MAKE_ANEW)
    return file


def open_parquet(path: Path, origin: str, todo_missing: str, todo_broken: str) -> pq.ParquetFile:
    """The opened file; SpanlineError that names `origin`, what the user knows the file by, and ends in a todo."""
    try:
        return pq.ParquetFile(path, page_checksum_verification=True)
    except FileNotFoundError:
        raise SpanlineError(origin, "there is no such file", todo_missing) from None
    except (pa.ArrowException, OSError) as error:
        raise_if_out_of_memory(error)
        if isinstance(error, OSError) and error.errno is not None:  # the machine's, such as no access; else Arrow's
            raise
        raise SpanlineError(origin, f"is no whole parquet file ({str(error).rstrip('.')})", todo_broken) from None


def batches(file: pq.ParquetFile, columns: list[str], origin: str, todo: str) -> Iterator[pa.RecordBatch]:
    """These columns of an open file, ROWS_PER_GROUP rows at a time; damage is a SpanlineError that names `origin`."""
    with _damage(origin, todo):
        for batch in file.iter_batches(ROWS_PER_GROUP, columns=columns, use_threads=False):
            batch.validate(full=True)  # texts are UTF-8, which nobody has looked at
            yield batch


@contextmanager
def _damage(origin: str, todo: str) -> Iterator[None]:
    """Whatever the library says of a broken page or codec, in one line."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise_if_out_of_memory(error)
        raise SpanlineError(origin, f"is damaged ({str(error).rstrip('.')})", todo) from None

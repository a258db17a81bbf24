"""Splits survive the disk unchanged, same examples same bytes, and foreign parquet is checked record by record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spanline.common.errors import SpanlineError
from spanline.common.files import sha256
from spanline.dataset import splits
from spanline.dataset.records import Example, GoldAnswer
from spanline.download import formats
from tests.paths import TINY


@pytest.fixture
def tiny() -> list[Example]:
    return list(formats.read_official(TINY, str(TINY)))


def many(number: int) -> list[Example]:
    """`number` examples, five a paragraph, every third one unanswerable."""
    found = []
    for index in range(number):
        context = f"Paragraph {index // 5} says that the answer is {index // 5} \U0001f389."
        answers = (GoldAnswer("the answer", context.index("the answer")),) if index % 3 else ()
        found.append(Example(f"q{index}", f"title {index // 50}", context, f"What {index}?", answers))
    return found


def test_round_trip(tmp_path: Path, tiny: list[Example]) -> None:
    path = tmp_path / "split.parquet"
    counts = splits.write(path, tiny)
    assert list(splits.read(path)) == tiny
    assert list(formats.read_parquet(path, "split.parquet")) == tiny
    assert counts == splits.Counts(articles=4, questions=39, answerable=32, unanswerable=7)
    assert str(counts) == "39 questions in 4 articles, 32 answerable, 7 not"


def test_column_reads(tmp_path: Path, tiny: list[Example]) -> None:
    path = tmp_path / "split.parquet"
    splits.write(path, tiny)
    gold = splits.read_gold(path)
    assert list(gold) == [example.id for example in tiny]
    assert gold == {example.id: [answer.text for answer in example.answers] for example in tiny}
    assert splits.read_contexts(path) == {example.id: example.context for example in tiny}
    assert splits.group_sizes(path) == [39]


def test_row_groups_stream_and_contexts_are_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "ROWS_PER_GROUP", 100)
    path, expected = tmp_path / "split.parquet", many(257)
    splits.write(path, iter(expected))
    assert pq.ParquetFile(path).num_row_groups == 3
    found = list(splits.read(path))
    assert found == expected
    assert len({id(example.context) for example in found}) == 52
    assert splits.read_gold(path) == {e.id: [a.text for a in e.answers] for e in expected}


def test_rows_of_long_contexts_are_fewer_in_a_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "ROWS_PER_GROUP", 4)
    monkeypatch.setattr(splits, "CHARACTERS_PER_GROUP", 100)
    path = tmp_path / "split.parquet"
    lengths = [10, 10, 10, 10, 10, 99, 1, 500, 40, 59, 1, 7]
    expected = [Example(f"q{n}", "t", "x" * length, "?", ()) for n, length in enumerate(lengths)]
    splits.write(path, expected)
    assert splits.group_sizes(path) == [4, 2, 2, 3, 1]
    assert list(splits.read(path)) == expected


def test_writing_takes_only_a_row_group_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "ROWS_PER_GROUP", 10)
    taken, held = 0, []
    to_table = splits.to_table

    def stream() -> Any:
        nonlocal taken
        for example in many(35):
            taken += 1
            yield example

    def watch(group: list[Example]) -> Any:
        held.append((taken, len(group)))
        return to_table(group)

    monkeypatch.setattr(splits, "to_table", watch)
    splits.write(tmp_path / "split.parquet", stream())
    assert held == [(10, 10), (20, 10), (30, 10), (35, 5)]


def test_same_examples_same_bytes(tmp_path: Path) -> None:
    splits.write(tmp_path / "a.parquet", many(500))
    splits.write(tmp_path / "b.parquet", iter(many(500)))
    splits.write(tmp_path / "c.parquet", many(499))
    hashes = [sha256(tmp_path / name) for name in ("a.parquet", "b.parquet", "c.parquet")]
    assert hashes[0] == hashes[1] != hashes[2]


def test_empty_split(tmp_path: Path) -> None:
    path = tmp_path / "split.parquet"
    assert splits.write(path, []) == splits.Counts(0, 0, 0, 0)
    assert list(splits.read(path)) == []
    assert splits.read_gold(path) == splits.read_contexts(path) == {}


def test_the_hubs_library_reads_it(tmp_path: Path, tiny: list[Example]) -> None:
    datasets = pytest.importorskip("datasets")
    path = tmp_path / "split.parquet"
    splits.write(path, tiny)
    rows = datasets.Dataset.from_parquet(str(path), cache_dir=str(tmp_path / "cache"))
    assert rows.column_names == ["id", "title", "context", "question", "answers"]
    assert rows[0]["answers"] == {"text": ["Lake Orvel"], "answer_start": [0]}


def test_a_failing_source_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Any:
        yield from many(3)
        raise SpanlineError("data.json", "broken")

    with pytest.raises(SpanlineError):
        splits.write(tmp_path / "split.parquet", broken())
    assert list(tmp_path.iterdir()) == []


def foreign(tmp_path: Path, **changes: Any) -> Path:
    """A parquet file with two rows as others may write them; changes replace columns, None drops one."""
    columns = {
        "id": ["q1", "q2"],
        "title": ["Orvel", "Orvel"],
        "context": ["Lake Orvel is cold."] * 2,
        "question": ["What is cold?", "What is warm?"],
        "answers": [{"text": ["Lake Orvel"], "answer_start": [0]}, {"text": [], "answer_start": []}],
        "extra": [1, 2],
    }
    kept = {name: value for name, value in {**columns, **changes}.items() if value is not None}
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table(kept), path)
    return path


def test_foreign_types_are_taken(tmp_path: Path) -> None:
    """64-bit offsets, large strings and other columns are as good."""
    path = foreign(tmp_path, id=pa.array(["q1", "q2"], pa.large_string()))
    first, second = formats.read_parquet(path, "data.parquet")
    assert first == Example("q1", "Orvel", "Lake Orvel is cold.", "What is cold?", (GoldAnswer("Lake Orvel", 0),))
    assert not second.is_answerable


REFUSALS: list[tuple[dict[str, Any], str]] = [
    (
        {"question": None},
        "data.parquet: column 'question' is missing; "
        "it has id, title, context, answers, extra; rename or add, as in the hub's squad_v2",
    ),
    (
        {"question": ["What?", None]},
        "data.parquet, row 2, question 'q2': field 'question' is missing; add it: a text",
    ),
    ({"id": [1, 2]}, "data.parquet, row 1: 'id' is 1; write a text"),
    (
        {"id": ["q1", "q1"]},
        "data.parquet, row 2, question 'q1': this id has come before; give each question an id of its own, or drop one",
    ),
    (
        {"answers": [{"text": ["Lake"], "answer_start": [1]}, {"text": [], "answer_start": []}]},
        "data.parquet, row 1, question 'q1', answer 1: 'text' is 'Lake' but the context has 'ake ' "
        "at 'answer_start' 1; the text first occurs at 0: "
        "offsets count characters (code points) of the context, not bytes",
    ),
    (
        {"answers": [{"text": ["Lake"], "answer_start": [0, 1]}, {"text": [], "answer_start": []}]},
        "data.parquet, row 1, question 'q1': answers have 1 'text' but 2 'answer_start'; give each answer both",
    ),
    ({"answers": ["Lake", ""]}, "data.parquet, row 1, question 'q1': 'answers' is 'Lake'; write an object"),
]


@pytest.mark.parametrize(("changes", "line"), REFUSALS, ids=[line[:90] for _, line in REFUSALS])
def test_foreign_refusals(tmp_path: Path, changes: dict[str, Any], line: str) -> None:
    path = foreign(tmp_path, **changes)
    with pytest.raises(SpanlineError) as refusal:
        list(formats.read_parquet(path, "data.parquet"))
    assert str(refusal.value) == line


def test_foreign_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    splits.write(path, [])
    with pytest.raises(
        SpanlineError, match=r"^data\.parquet: holds no example at all; point to a file with questions$"
    ):
        list(formats.read_parquet(path, "data.parquet"))


def test_truncated_parquet(tmp_path: Path) -> None:
    path = foreign(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SpanlineError, match=r"^data\.parquet: is no whole parquet file \(.*\); fetch it anew"):
        list(formats.read_parquet(path, "data.parquet"))


def test_a_damaged_split_is_refused_wherever_the_damage_is(tmp_path: Path) -> None:
    """One flipped bit in the data never becomes another text."""
    path = tmp_path / "split.parquet"
    expected = many(200)
    splits.write(path, expected)
    whole = path.read_bytes()
    data = range(4, len(whole) - pq.read_metadata(path).serialized_size - 8)  # between the magic bytes and the footer
    lines = set()
    for position in data[:: len(data) // 100]:
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
        try:
            assert list(splits.read(path)) == expected, position
        except SpanlineError as error:
            lines.add(str(error))
    assert len(lines) > 1
    assert all(line.startswith(f"{path}: is damaged (") for line in lines)
    assert all(line.endswith("); make it anew: dvc repro -f download") for line in lines)


def test_own_split_missing_or_with_other_columns(tmp_path: Path) -> None:
    with pytest.raises(SpanlineError) as refusal:
        splits.read_gold(tmp_path / "none.parquet")
    todo = "run the stage that makes it: dvc repro download"
    assert str(refusal.value) == f"{tmp_path / 'none.parquet'}: there is no such file; {todo}"
    path = foreign(tmp_path)
    with pytest.raises(SpanlineError) as refusal:
        next(splits.read(path))
    assert str(refusal.value) == (
        f"{path}: its columns are not id, title, context, question, answers as this Spanline writes them; "
        "make it anew: dvc repro -f download"
    )


def test_real_dev_set(shared: Path, tmp_path: Path) -> None:
    source, path = shared / "squad_v2" / "dev-v2.0.json", tmp_path / "validation.parquet"
    counts = splits.write(path, formats.read_official(source, source.name))
    assert counts == splits.Counts(articles=35, questions=11_873, answerable=5_928, unanswerable=5_945)
    assert list(splits.read(path)) == list(formats.read_official(source, source.name))
    gold = splits.read_gold(path)
    assert len(gold) == 11_873
    assert sum(map(bool, gold.values())) == 5_928

"""Feature shards hold what was cut: to a table and back is the same, in the smallest types, at any shard size."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

from spanline.common import files
from spanline.common.errors import SpanlineError
from spanline.storage import features
from spanline.storage.features import Features
from spanline.storage.ragged import Ragged
from tests.make.project import bert, featurize, featurize_params, save, tiny_examples
from tests.make.windows import Case, cases


def assert_equal(left: Features, right: Features) -> None:
    assert left.ids.to_pylist() == right.ids.to_pylist()
    for field in dataclasses.fields(Features)[1:]:
        a, b = getattr(left, field.name), getattr(right, field.name)
        if isinstance(a, Ragged):
            assert a.bounds.tolist() == b.bounds.tolist(), field.name
            a, b = a.values, b.values
        assert a.tolist() == b.tolist(), field.name


@given(cases())
@settings(max_examples=100, deadline=None)
def test_to_a_table_and_back(case: Case) -> None:
    data = case.features()
    for vocab_size in (100, 1 << 17):
        table = features.to_table(data, vocab_size)
        assert_equal(features.from_table(table), data)
        pieces = [table.slice(row, 2) for row in range(0, table.num_rows, 2)]
        assert_equal(features.from_table(pa.concat_tables(pieces)), data)


@pytest.mark.parametrize(("vocab_size", "width"), [(65536, 16), (65537, 32)])
def test_token_ids_take_the_smallest_type(vocab_size: int, width: int) -> None:
    schema = features.schema(vocab_size)
    assert schema.field("input_ids").type == pa.list_(pa.uint16() if width == 16 else pa.uint32())
    assert features.empty_table(vocab_size).schema == schema


def test_a_token_id_that_does_not_fit_is_refused_and_not_cut() -> None:
    data = _one_feature(token=70_000)
    with pytest.raises(pa.ArrowInvalid):
        features.to_table(data, 100)


def _one_feature(token: int) -> Features:
    def one(*values: int, dtype: type = np.int32) -> Ragged:
        return Ragged(np.array(values, dtype), np.array([0, len(values)]))

    number = np.zeros(1, np.uint16)
    return Features(
        ids=pa.array(["q"]),
        window=number,
        input_ids=one(2, token, 3, dtype=np.uint32),
        token_type_ids=one(0, 0, 1),
        context_start=number,
        offset_starts=one(0),
        offset_ends=one(1),
        max_context=one(1, dtype=np.bool_),
        null_position=number,
        start_position=number,
        end_position=number,
    )


@pytest.mark.parametrize("rows_per_shard", [1, 17, 1000])
def test_rows_survive_any_shard_size(rows_per_shard: int, tmp_path: Path) -> None:
    tokenizer = save(bert(), tmp_path)
    one_shard, _ = featurize(tiny_examples(), tokenizer, tmp_path / "one", featurize_params(rows_per_shard=10**6))
    data, _ = featurize(tiny_examples(), tokenizer, tmp_path / "many", featurize_params(rows_per_shard=rows_per_shard))
    shards = list((tmp_path / "many").glob("*.parquet"))
    assert len(shards) == -(-len(data) // rows_per_shard)
    assert_equal(data, one_shard)


def test_take_reorders_rows(tmp_path: Path) -> None:
    data, _ = featurize(tiny_examples(), save(bert(), tmp_path), tmp_path / "features", featurize_params())
    rows = np.array([5, 0, 5, len(data) - 1])
    found = data.take(rows)
    assert found.ids.to_pylist() == [data.ids[int(row)].as_py() for row in rows]
    for index, row in enumerate(rows.tolist()):
        assert found.input_ids[index].tolist() == data.input_ids[row].tolist()
        assert found.max_context[index].tolist() == data.max_context[row].tolist()
        assert found.window[index] == data.window[row]


def test_example_bounds_are_where_the_windows_start_anew(tmp_path: Path) -> None:
    data, counts = featurize(tiny_examples(), save(bert(), tmp_path), tmp_path / "features", featurize_params())
    bounds = features.example_bounds(data).tolist()
    assert len(bounds) == counts["questions"] + 1
    ids = data.ids.to_pylist()
    assert [ids[low] for low in bounds[:-1]] == [example.id for example in tiny_examples()]
    assert features.example_bounds(data.take(np.zeros(0, np.int64))).tolist() == [0]


def test_features_of_another_split_are_refused(tmp_path: Path) -> None:
    featurize(tiny_examples(), save(bert(), tmp_path), tmp_path / "features", featurize_params())
    squad = tmp_path / "features.parquet"
    manifest = features.manifest_of(tmp_path / "features", squad)
    assert manifest.made_from["squad"] == files.sha256(squad)
    other = tmp_path / "other.parquet"
    other.write_bytes(b"other")
    with pytest.raises(SpanlineError) as caught:
        features.manifest_of(tmp_path / "features", other)
    expected = f"holds features of another split than {other}; cut them anew: dvc repro featurize"
    assert str(caught.value) == f"{tmp_path / 'features'}: {expected}"

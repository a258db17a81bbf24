"""Predicted logits stand in the features' order and do not depend on how the batches were cut."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from spanline import batches, features, inference, logits, model
from spanline.console import Progress
from spanline.logits import Logits
from tests.unit.test_batches import make_features, write_features
from tests.unit.test_model import logits_of, make_checkpoint

CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Models this small only get slower with more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def params(tokens_per_batch: int, precision: str = "float32") -> inference.PredictParams:
    return inference.PredictParams(
        tokens_per_batch=tokens_per_batch, precision=precision, deterministic=True, num_threads=1
    )


def predict(spans: model.SpanModel, data: features.Features, p: inference.PredictParams) -> Logits:
    return inference.predict(spans, data, p, CPU, Progress("predict", None, "features", 1e9))


@pytest.fixture(scope="module")
def spans(tmp_path_factory: pytest.TempPathFactory) -> model.SpanModel:
    return model.pretrained(make_checkpoint(tmp_path_factory.mktemp("checkpoint")), 1, None).eval()


def test_each_feature_gets_the_logits_it_has_alone_whatever_the_batch_size(spans: model.SpanModel) -> None:
    data = make_features(np.random.default_rng(5).integers(8, 31, 40).tolist())
    alone = [logits_of(spans, batches.collate(data, np.array([row]), 0))[:, 0].numpy() for row in range(40)]
    for tokens_per_batch in (1, 50, 333, 100_000):
        found = predict(spans, data, params(tokens_per_batch))
        for row, (start, end) in enumerate(alone):
            np.testing.assert_allclose(found.start[row], start, atol=1e-5)
            np.testing.assert_allclose(found.end[row], end, atol=1e-5)


def test_bfloat16_is_near(spans: model.SpanModel) -> None:
    data = make_features([30, 9, 22])
    near, exact = (predict(spans, data, params(100, precision)) for precision in ("bfloat16", "float32"))
    assert near.start.values.dtype == np.float32
    np.testing.assert_allclose(near.start.values, exact.start.values, atol=0.1)
    assert (near.start.values != exact.start.values).any()


def test_tables_follow_the_shards(spans: model.SpanModel, tmp_path: Path) -> None:
    data = make_features([12, 9, 30, 11, 15, 9, 20])
    (tmp_path / "tokenizer.json").write_text("{}")
    write_features(data, tmp_path / "features", tmp_path / "tokenizer.json", rows_per_shard=3)
    manifest = features.manifest(tmp_path / "features")
    tables = list(inference.tables(spans, manifest, params(40), CPU, 1e9))
    assert [table.num_rows for table in tables] == [3, 3, 1]
    whole = pa.concat_tables(tables)
    assert whole.schema == logits.SCHEMA
    assert whole.column("id").to_pylist() == data.ids.to_pylist()
    assert [len(row) for row in whole.column("end_logits").to_pylist()] == data.lengths.tolist()


def test_no_features_are_no_logits(spans: model.SpanModel) -> None:
    assert len(predict(spans, make_features([]), params(100)).start) == 0

"""Predicted logits stand in the features' order and do not depend on how the batches were cut; shards are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from spanline.common.errors import SpanlineError
from spanline.model import batches, resume, span_model
from spanline.predict import run as predict
from spanline.predict.params import PredictParams
from spanline.storage import features, logits
from spanline.storage.logits import Logits
from spanline.storage.ragged import Ragged
from spanline.storage.shards import Manifest
from tests.make.checkpoint import logits_of, make_checkpoint
from tests.make.features import make_features, write_features

CPU = torch.device("cpu")


pytestmark = pytest.mark.usefixtures("one_thread")


def params(tokens_per_batch: int, precision: str = "float32") -> PredictParams:
    return PredictParams(
        tokens_per_batch=tokens_per_batch, precision=precision, instructions="native", deterministic=True
    )


def predicted(spans: span_model.SpanModel, data: features.Features, p: PredictParams) -> Logits:
    return predict.predict(spans, data, p, CPU, lambda lengths_B: None)


@pytest.fixture(scope="module")
def spans(tmp_path_factory: pytest.TempPathFactory) -> span_model.SpanModel:
    return span_model.pretrained(make_checkpoint(tmp_path_factory.mktemp("checkpoint")), 1, None).eval()


def test_each_feature_gets_the_logits_it_has_alone_whatever_the_batch_size(spans: span_model.SpanModel) -> None:
    data = make_features(np.random.default_rng(5).integers(8, 31, 40).tolist())
    alone = [logits_of(spans, batches.collate(data, np.array([row]), 0))[:, 0].numpy() for row in range(40)]
    for tokens_per_batch in (1, 50, 333, 100_000):
        found = predicted(spans, data, params(tokens_per_batch))
        for row, (start, end) in enumerate(alone):
            np.testing.assert_allclose(found.start[row], start, atol=1e-5)
            np.testing.assert_allclose(found.end[row], end, atol=1e-5)


def test_bfloat16_is_near(spans: span_model.SpanModel) -> None:
    data = make_features([30, 9, 22])
    near, exact = (predicted(spans, data, params(100, precision)) for precision in ("bfloat16", "float32"))
    assert near.start.values.dtype == np.float32
    np.testing.assert_allclose(near.start.values, exact.start.values, atol=0.1)
    assert (near.start.values != exact.start.values).any()


def test_a_logit_that_is_not_finite_is_refused_with_its_question(tmp_path: Path) -> None:
    broken = span_model.pretrained(make_checkpoint(tmp_path), 1, None).eval()
    data = make_features([12, 9, 9])
    data.input_ids.values[:] = 5
    data.input_ids.values[-2] = 7  # in the last feature only
    with torch.no_grad():
        broken.encoder.get_input_embeddings().weight[7] = torch.nan
    expected = r"predict, question q2, feature 0: its logits are not finite; .*train it anew"
    with pytest.raises(SpanlineError, match=expected):
        predicted(broken, data, params(100))


LENGTHS = [12, 9, 30, 11, 15, 9, 20]


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Seven features in shards of 3, 3 and 1."""
    (tmp_path / "tokenizer.json").write_text("{}")
    write_features(make_features(LENGTHS), tmp_path / "features", tmp_path / "tokenizer.json", rows_per_shard=3)
    return features.manifest(tmp_path / "features")


def tables(spans: span_model.SpanModel, manifest: Manifest, points: Path) -> Iterator[pa.Table]:
    meter = predict.Meter(manifest, 1e9, resume.Stop())
    return predict.tables(spans, manifest, params(40), CPU, points, meter)


def test_tables_follow_the_shards(spans: span_model.SpanModel, manifest: Manifest, tmp_path: Path) -> None:
    found = list(tables(spans, manifest, tmp_path / "points"))
    assert [table.num_rows for table in found] == [3, 3, 1]
    whole = pa.concat_tables(found)
    assert whole.schema == logits.SCHEMA
    assert whole.column("id").to_pylist() == [f"q{row}" for row in range(7)]
    assert [len(row) for row in whole.column("end_logits").to_pylist()] == LENGTHS


def test_one_shard_is_read_at_a_time(spans: span_model.SpanModel, manifest: Manifest, tmp_path: Path) -> None:
    (manifest.folder / "00001.parquet").unlink()
    stream = tables(spans, manifest, tmp_path / "points")
    assert next(stream).num_rows == 3
    with pytest.raises(SpanlineError, match="00001"):
        next(stream)


def test_finished_shards_are_taken_over(
    spans: span_model.SpanModel, manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = tmp_path / "points"
    straight = list(tables(spans, manifest, points))
    kept(points, 1).unlink()
    predicted: list[int] = []
    original = predict.predict
    monkeypatch.setattr(predict, "predict", lambda *args: predicted.append(len(args[1])) or original(*args))
    assert list(tables(spans, manifest, points)) == straight
    assert predicted == [3]


def kept(points: Path, number: int) -> Path:
    (path,) = points.glob(f"{number:05d}.*")
    return path


def test_a_damaged_shard_is_computed_anew(spans: span_model.SpanModel, manifest: Manifest, tmp_path: Path) -> None:
    points = tmp_path / "points"
    straight = list(tables(spans, manifest, points))
    path = kept(points, 0)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert list(tables(spans, manifest, points)) == straight


def _of_other_questions(table: pa.Table) -> pa.Table:
    return table.set_column(0, table.schema.field(0), [["a", "b", "c"]])


def _of_other_lengths(table: pa.Table) -> pa.Table:
    column = Ragged.from_arrow(table.column("start_logits").take([1, 0, 2])).to_arrow(pa.float32())
    return table.set_column(2, table.schema.field(2), column)


def _of_other_columns(table: pa.Table) -> pa.Table:
    return table.drop_columns("window")


@pytest.mark.parametrize("change", [_of_other_questions, _of_other_lengths, _of_other_columns])
def test_a_kept_shard_that_does_not_fit_is_computed_anew(
    change: Callable[[pa.Table], pa.Table], spans: span_model.SpanModel, manifest: Manifest, tmp_path: Path
) -> None:
    points = tmp_path / "points"
    straight = list(tables(spans, manifest, points))
    kept(points, 0).unlink()
    resume.save_table(points, 0, change(straight[0]))
    assert list(tables(spans, manifest, points)) == straight


def test_a_signal_leaves_after_the_batch(manifest: Manifest, capsys: pytest.CaptureFixture[str]) -> None:
    stop = resume.Stop()
    meter = predict.Meter(manifest, 1e9, stop)
    meter.tick(np.array([12, 9]))
    stop.signal = 15
    with pytest.raises(SystemExit) as leaving:
        meter.tick(np.array([30]))
    assert leaving.value.code == 143
    assert "run the same command again to go on" in capsys.readouterr().err


def test_params_model_and_processor_each_change_where_shards_are_kept(manifest: Manifest, tmp_path: Path) -> None:
    weights = tmp_path / "model" / "model.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"weights")

    def points(p: PredictParams, device: str = "cpu") -> Path:
        return predict.points(tmp_path / "scratch", p, manifest, weights.parent, torch.device(device))

    found = [points(params(40)), points(params(41)), points(params(40, "bfloat16")), points(params(40), "meta")]
    weights.write_bytes(b"others")
    found.append(points(params(40)))
    assert len(set(found)) == len(found)
    assert points(params(40)) == found[-1]
    assert found[-1].parent == tmp_path / "scratch" / "predict"


def test_no_features_are_no_logits(spans: span_model.SpanModel) -> None:
    assert len(predicted(spans, make_features([]), params(100)).start) == 0

"""Logit shards follow the features row by row, keep every bit, and are refused beside any other features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from spanline.common.errors import SpanlineError
from spanline.storage import features, logits
from tests.make.project import bert, featurize, featurize_params, random_logits, save, tiny_examples, write_logits


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Features of the tiny questions and random logits for them."""
    data, _ = featurize(tiny_examples(), save(bert(), tmp_path), tmp_path / "features", featurize_params())
    write_logits(tmp_path / "logits", data, random_logits(data, 3), tmp_path / "features")
    return tmp_path


def test_logits_survive_to_the_bit(folder: Path) -> None:
    manifest = features.manifest(folder / "features")
    data = features.read(manifest)
    found, given = logits.read(folder / "logits", manifest), random_logits(data, 3)
    for ours, theirs in ((found.start, given.start), (found.end, given.end)):
        assert ours.values.dtype == np.float32
        assert ours.values.tobytes() == theirs.values.tobytes()
        assert ours.lengths.tolist() == data.lengths.tolist()


def test_rows_name_their_feature(folder: Path) -> None:
    data = features.read(features.manifest(folder / "features"))
    table = pq.ParquetDataset(sorted((folder / "logits").glob("*.parquet"))).read()
    assert table.column("id").to_pylist() == data.ids.to_pylist()
    assert table.column("window").to_pylist() == data.window.tolist()


@pytest.mark.parametrize("same_rows", [True, False])
def test_logits_of_other_features_are_refused(folder: Path, same_rows: bool) -> None:
    given = tiny_examples()[::-1] if same_rows else tiny_examples()[1:]
    data, _ = featurize(given, folder / "tokenizer.json", folder / "other", featurize_params())
    assert (len(data) == features.manifest(folder / "features").rows) == same_rows
    with pytest.raises(SpanlineError) as caught:
        logits.read(folder / "logits", features.manifest(folder / "other"))
    expected = f"holds logits of other features than {folder / 'other'}; predict them anew: dvc repro predict"
    assert str(caught.value) == f"{folder / 'logits'}: {expected}"


def test_a_folder_of_features_is_no_folder_of_logits(folder: Path) -> None:
    with pytest.raises(SpanlineError) as caught:
        logits.read(folder / "features", features.manifest(folder / "features"))
    where = folder / "features" / "manifest.json"
    assert str(caught.value) == f"{where}: is no manifest of logits; run the stage that makes it: dvc repro predict"

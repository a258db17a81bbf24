"""The predict stage as the shell sees it: its shards follow the features', the same bytes twice, one-line errors."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import yaml

from spanline import features, files, logits, model, shards
from tests.unit.test_batches import make_features, write_features
from tests.unit.test_model import make_checkpoint

ROOT = Path(__file__).parents[2]
PARAMS = {
    "environment": {name: version(name).split("+")[0] for name in ("pyarrow", "torch", "transformers")},
    "predict": {"tokens_per_batch": 64, "precision": "float32", "deterministic": True, "num_threads": 1},
    "runtime": {"workers": 1, "device": "cpu", "progress_every_s": 1e-9, "checkpoint_every_min": 1.0},
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A model, and 12 features in shards of 5."""
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    (tmp_path / "model").mkdir()
    model.save(model.pretrained(checkpoint, 1, None), checkpoint, tmp_path / "model")
    lengths = np.random.default_rng(5).integers(8, 31, 12).tolist()
    write_features(make_features(lengths), tmp_path / "features", checkpoint / "tokenizer.json", rows_per_shard=5)
    shutil.rmtree(checkpoint)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    return tmp_path


def run(folder: Path) -> tuple[int, list[str]]:
    """Exit code and the lines of stderr."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    options = ["--features", "features", "--model", "model", "--out", "data/logits"]
    command = [sys.executable, "-m", "stages.predict", *options]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    return result.returncode, result.stderr.splitlines()


def test_a_shard_of_logits_for_each_shard_of_features(project: Path) -> None:
    code, lines = run(project)
    assert code == 0, lines
    names = {path.name for path in (project / "data" / "logits").iterdir()}
    assert names == {"00000.parquet", "00001.parquet", "00002.parquet", "manifest.json"}
    given, found = (
        features.manifest(project / "features"),
        shards.read_manifest(project / "data/logits", logits.KIND),
    )
    assert [shard["rows"] for shard in found.shards] == [shard["rows"] for shard in given.shards] == [5, 5, 2]
    weights = files.sha256(project / "model" / "model.safetensors")
    assert found.made_from == {"features": given.sha256, "model": weights}
    data, values = features.read(given), logits.read(project / "data" / "logits", given)
    assert values.start.lengths.tolist() == values.end.lengths.tolist() == data.lengths.tolist()
    assert np.isfinite(values.start.values).all()
    assert lines[-2:-1] == ["12 features -> data/logits"]
    assert "features/s" in lines[0]


@pytest.mark.slow
def test_same_inputs_same_bytes(project: Path) -> None:
    hashes = []
    for _ in range(2):
        assert run(project)[0] == 0
        hashes.append([files.sha256(path) for path in sorted((project / "data" / "logits").iterdir())])
    assert hashes[0] == hashes[1]


def test_an_empty_split_gives_no_rows(project: Path) -> None:
    write_features(make_features([]), project / "features", project / "model" / "tokenizer.json")
    assert run(project)[0] == 0
    given = features.manifest(project / "features")
    assert len(logits.read(project / "data" / "logits", given).start) == 0


def test_features_of_another_tokenizer_are_one_line(project: Path) -> None:
    write_features(make_features([9]), project / "features", project / "params.yaml")
    code, lines = run(project)
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith("error: features: was made with another tokenizer than model/tokenizer.json; ")
    assert not (project / "data").exists()


def test_a_missing_model_is_one_line(project: Path) -> None:
    shutil.rmtree(project / "model")
    code, lines = run(project)
    expected = "error: model/config.json: there is no such file; run the stage that makes it: dvc repro train"
    assert (code, lines) == (1, [expected])


def test_a_missing_shard_leaves_nothing_behind(project: Path) -> None:
    (project / "features" / "00002.parquet").unlink()
    code, lines = run(project)
    assert code == 1
    assert lines[-1].startswith("error: features/00002.parquet: is missing, though the manifest lists it; ")
    assert not list((project / "data").iterdir())

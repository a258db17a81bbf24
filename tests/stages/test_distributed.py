"""Two processes under torchrun train and predict what one does, and one of them writes."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spanline.storage import features, logits
from tests.make import predicting, training
from tests.paths import ROOT

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]


def run(folder: Path, num_processes: int, *command: str) -> list[str]:
    """The lines of stderr of a stage under torchrun."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*TORCHRUN, str(num_processes), "-m", *command], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


def history(folder: Path) -> list[dict[str, float]]:
    with (folder / "metrics" / "train_history.csv").open() as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [4, 3])  # 22 features: with 3 a step, one process has one or two, the other one
def test_two_processes_train_what_one_does(tmp_path: Path, batch_size: int) -> None:
    inputs = training.make_inputs(tmp_path / "inputs")
    changes = {"epochs": 4, "dropout": 0.0, "batch_size": batch_size, "micro_batch_size": 1, "keep": "best"}
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        shutil.copytree(inputs, folder)
        training.write_params(folder, **changes)
    code, lines = training.run(folders[0])
    assert code == 0, lines
    said = run(folders[1], 2, "stages.train", *training.COMMAND.split())
    assert sum("final loss" in line for line in said) == 1  # the first process speaks for both
    assert set(training.outputs(folders[1])) == training.OUTPUTS
    alone, together = (history(folder) for folder in folders)
    assert [row["step"] for row in alone] == [row["step"] for row in together]
    for name in ("loss", "grad_norm", "learning_rate"):
        np.testing.assert_allclose([r[name] for r in alone], [r[name] for r in together], atol=1e-4, rtol=1e-4)
    results = [json.loads((folder / "metrics" / "train.json").read_text()) for folder in folders]
    for name in ("steps", "features", "tokens", "kept_epoch"):
        assert results[0][name] == results[1][name]
    # not the weights: Adam makes whole steps of the rounding in gradients that are 0, as those of the keys' biases
    assert results[0]["calibration_loss"] == pytest.approx(results[1]["calibration_loss"], abs=1e-4)


@pytest.mark.slow
def test_two_processes_predict_what_one_does(tmp_path: Path) -> None:
    one, two = (predicting.make_project(tmp_path / name) for name in ("one", "two"))
    code, lines = predicting.run(one)
    assert code == 0, lines
    run(two, 2, "stages.predict", *predicting.COMMAND.split())
    assert not (two / ".scratch").exists()
    found = []
    for folder in (one, two):
        manifest = features.manifest(folder / "features")
        assert len(manifest.shards) > 2
        found.append(logits.read(folder / "data" / "logits", manifest))
    for name in ("start", "end"):
        np.testing.assert_allclose(getattr(found[1], name).values, getattr(found[0], name).values, atol=1e-5)

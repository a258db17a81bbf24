"""The predict stage as a program, on tiny inputs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from spanline.common import files
from spanline.model import span_model
from tests.make import yaml_text
from tests.make.checkpoint import make_checkpoint
from tests.make.features import make_features, write_features
from tests.paths import ROOT

PARAMS: dict[str, Any] = {
    "environment": {name: version(name).split("+")[0] for name in ("pyarrow", "torch", "transformers")},
    "predict": {"tokens_per_batch": 64, "precision": "float32", "instructions": "avx2", "deterministic": True},
    "runtime": {"workers": 1, "device": "cpu", "progress_every_s": 1e-9, "checkpoint_every_min": 1.0, "trackers": []},
}
COMMAND = "--features features --model model --out data/logits"


def make_project(folder: Path) -> Path:
    """A model, and 12 features in shards of 5."""
    checkpoint = make_checkpoint(folder / "checkpoint")
    (folder / "model").mkdir()
    span_model.save(span_model.pretrained(checkpoint, 1, None), checkpoint, folder / "model")
    lengths = np.random.default_rng(5).integers(8, 31, 12).tolist()
    write_features(make_features(lengths), folder / "features", checkpoint / "tokenizer.json", rows_per_shard=5)
    shutil.rmtree(checkpoint)
    write_params(folder)
    return folder


def write_params(folder: Path, workers: int = 1, **changes: Any) -> None:
    content = {**PARAMS, "predict": {**PARAMS["predict"], **changes}}
    content["runtime"] = {**PARAMS["runtime"], "workers": workers}
    (folder / "params.yaml").write_text(yaml_text.dump(content))


def start(folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    command = [sys.executable, "-m", "stages.predict", *COMMAND.split()]
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


def run(folder: Path) -> tuple[int, list[str]]:
    """Exit code and the lines of stderr."""
    process = start(folder)
    _, stderr = process.communicate(timeout=300)
    return process.returncode, stderr.splitlines()


def outputs(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of logits."""
    return {path.name: files.sha256(path) for path in (folder / "data" / "logits").iterdir()}

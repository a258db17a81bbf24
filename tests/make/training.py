"""The train stage as a program, on tiny inputs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tests.make import yaml_text
from tests.make.checkpoint import make_checkpoint
from tests.make.features import make_features, write_features
from tests.paths import ROOT

PARAMS: dict[str, Any] = {
    "seed": 17,
    "head": "auto",
    "epochs": 2,
    "batch_size": 4,
    "micro_batch_size": 4,
    "learning_rate": 1e-3,
    "warmup_fraction": 0.1,
    "schedule": "linear",
    "weight_decay": 0.01,
    "max_grad_norm": 1.0,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_eps": 1e-8,
    "layer_lr_decay": 1.0,
    "keep": "last",
    "dropout": 0.1,
    "precision": "float32",
    "gradient_checkpointing": False,
    "compile": False,
    "instructions": "avx2",
    "deterministic": True,
    "num_threads": 1,
}

LIBRARIES = {name: version(name).split("+")[0] for name in ("pyarrow", "torch", "transformers")}
RUNTIME = {"workers": 1, "device": "cpu", "progress_every_s": 1e-9, "checkpoint_every_min": 1e9, "trackers": []}
COMMAND = (
    "--features features --calibration calibration --checkpoint checkpoint --out data/model "
    "--metrics metrics/train.json --history metrics/train_history.csv --epochs metrics/train_epochs.csv "
    "--timings metrics/runtime/train.json"
)
OUTPUTS = {
    "data/model/config.json",
    "data/model/manifest.json",
    "data/model/model.safetensors",
    "data/model/tokenizer.json",
    "data/model/tokenizer_config.json",
    "metrics/train.json",
    "metrics/train_history.csv",
    "metrics/train_epochs.csv",
    "metrics/runtime/train.json",
}


def make_inputs(folder: Path) -> Path:
    """The stage's inputs: 22 features to train on, 3 to look at, a checkpoint."""
    make_checkpoint(folder / "checkpoint")
    lengths = np.random.default_rng(5).integers(8, 31, 22).tolist()
    write_features(make_features(lengths), folder / "features", folder / "checkpoint" / "tokenizer.json")
    write_features(make_features([9, 20, 30]), folder / "calibration", folder / "checkpoint" / "tokenizer.json")
    return folder


def make_project(inputs: Path, folder: Path) -> Path:
    shutil.copytree(inputs, folder)
    write_params(folder)
    return folder


def write_params(folder: Path, every_min: float = 1e9, **changes: Any) -> None:
    runtime = {**RUNTIME, "checkpoint_every_min": every_min}
    content = {"environment": LIBRARIES, "train": {**PARAMS, "epochs": 40, **changes}, "runtime": runtime}
    (folder / "params.yaml").write_text(yaml_text.dump(content))


def start(folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    command = [sys.executable, "-m", "stages.train", *COMMAND.split()]
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


def run(folder: Path) -> tuple[int, list[str]]:
    """Exit code and the lines of stderr."""
    process = start(folder)
    _, stderr = process.communicate(timeout=300)
    return process.returncode, stderr.splitlines()


def outputs(folder: Path) -> dict[str, str]:
    """SHA-256 of every file that is no input."""
    inputs = ("features", "calibration", "checkpoint", "params.yaml")
    files = [path for path in folder.rglob("*") if path.is_file()]
    names = {str(path.relative_to(folder)): path for path in files if path.relative_to(folder).parts[0] not in inputs}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in names.items()}

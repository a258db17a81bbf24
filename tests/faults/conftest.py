"""The stages by hand on tiny inputs: what each reads and writes, and what it writes when nothing disturbs it."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from spanline.common.files import sha256
from tests.faults.damage import files_of
from tests.make import predicting, project, reported, training, yaml_text
from tests.make.encoder import make_encoder
from tests.make.foreign import tiny_again
from tests.paths import ROOT, TINY

LIVE = ("metrics/train.json", "metrics/train_history.csv", "metrics/train_epochs.csv")
TIMEOUT_S = 600  # of one stage, on a machine however busy
CHEAP = "--squad squad.parquet --features features --logits logits"
COMMANDS = {
    "download": "--out out",
    "checkpoint": "--out out",
    "featurize": "--squad squad.parquet --tokenizer tokenizer.json --config config.json --out out",
    "calibrate": f"{CHEAP} --out out.json",
    "postprocess": f"{CHEAP} --calibration calibration.json --out out",
    "train": training.COMMAND,
    "predict": predicting.COMMAND,
    "score": "--squad data/squad/validation.parquet --answers data/answers --out out/validation.json"
    " --scores out/scores.json --slices out/slices.csv --plots out/plots",
    "report": reported.OPTIONS,
}


@dataclass(frozen=True)
class Stage:
    """A stage with its inputs in a folder of its own, as they were made; `expected` is what it writes from them."""

    name: str
    inputs: Path
    expected: Mapping[str, bytes]

    def copy(self, folder: Path) -> Path:
        """The inputs once more, to be damaged."""
        shutil.copytree(self.inputs, folder)
        return folder

    def start(self, folder: Path, limits: Mapping[int, int] | None = None) -> subprocess.Popen[str]:
        return start(self.name, folder, limits)

    def run(self, folder: Path, limits: Mapping[int, int] | None = None) -> tuple[int, str]:
        """Exit code and stderr."""
        process = self.start(folder, limits)
        _, said = process.communicate(timeout=TIMEOUT_S)
        return process.returncode, said

    def written(self, folder: Path) -> dict[str, bytes]:
        """What lies there now and was not there before, but for what a kill may leave and what tells the time."""
        before = files_of(self.inputs)
        return {
            name: content
            for name, content in files_of(folder).items()
            if name not in before and not _is_scratch(name) and "runtime" not in name
        }

    def assert_whole_or_absent(self, folder: Path) -> None:
        """Nothing under its final name that is not what an undisturbed run writes."""
        for name, content in self.written(folder).items():
            if name in LIVE and not (folder / "data/model").exists():
                continue  # train shows its curves while it runs, and a fault leaves them where they were
            assert content == self.expected.get(name), f"{self.name}: {name} is there and not whole"


def _is_scratch(name: str) -> bool:
    """Resume points, and the hidden names of what is being written."""
    parts = Path(name).parts
    return parts[0] == ".scratch" or any(part.endswith((".partial", ".lock")) for part in parts)


def start(name: str, folder: Path, limits: Mapping[int, int] | None = None) -> subprocess.Popen[str]:
    """The stage as a program, under the limits (RLIMIT_...: value)."""

    def limit() -> None:
        for kind, value in (limits or {}).items():
            resource.setrlimit(kind, (value, value))

    return subprocess.Popen(
        [sys.executable, "-m", f"stages.{name}", *COMMANDS[name].split()],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit if limits else None,
        start_new_session=True,
    )


def _cheap(folder: Path) -> None:
    """A split, its features and logits, and a calibration."""
    project.make_project(folder)
    calibration = {"null_score_diff_threshold": 0.5, "slope": 1.0, "intercept": 0.0}
    (folder / "calibration.json").write_text(json.dumps(calibration))


def _train(folder: Path) -> None:
    """With a resume point after each of 20 steps."""
    training.make_project(training.make_inputs(folder.parent / "inputs of train"), folder)
    training.write_params(folder, every_min=1e-9, epochs=4)


def _predict(folder: Path) -> None:
    predicting.make_project(folder)


def _download(folder: Path) -> None:
    """Files of our own, one of which becomes train and calibration."""
    folder.mkdir()
    shutil.copy(TINY, folder / "validation.json")
    tiny_again(folder).rename(folder / "train.json")
    pins = {
        name: {"path": f"{name}.json", "sha256": sha256(folder / f"{name}.json")} for name in ("train", "validation")
    }
    _write_params(folder, "download", source="files", calibration_fraction=0.3, files=pins)


def _checkpoint(folder: Path) -> None:
    encoder = make_encoder(folder / "encoder")
    pins = {path.name: sha256(path) for path in sorted(encoder.iterdir())}
    _write_params(folder, "checkpoint", source="path", path={"folder": "encoder", "sha256": pins})


def _write_params(folder: Path, section: str, **changes: Any) -> None:
    """The repository's params.yaml with these changes in one section, blocks of it included."""
    content = yaml_text.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for key, value in changes.items():
        content[section][key] = {**content[section][key], **value} if isinstance(value, dict) else value
    (folder / "params.yaml").write_text(yaml_text.dump(content), encoding="utf-8")


def _scored(folder: Path) -> None:
    """All that report reads; score reads a part of it."""
    folder.mkdir()
    reported.make_run(folder)


MAKERS: dict[str, Callable[[Path], None]] = {
    "download": _download,
    "checkpoint": _checkpoint,
    "train": _train,
    "predict": _predict,
    "score": _scored,
    "report": _scored,
}


@pytest.fixture(scope="session")
def stage_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Stage]:
    """A stage by its name, each made once."""
    made: dict[str, Stage] = {}

    def get(name: str) -> Stage:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            (folder / "project").parent.mkdir(exist_ok=True)
            MAKERS.get(name, _cheap)(folder / "project")
            stage = Stage(name, folder / "project", {})
            undisturbed = stage.copy(folder / "undisturbed")
            code, said = stage.run(undisturbed)
            assert code == 0, said
            made[name] = Stage(name, folder / "project", stage.written(undisturbed))
        return made[name]

    return get

"""The cheap stages stay cheap: importing one brings in none of the libraries that take seconds to import."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.paths import ROOT

HEAVY = {"torch", "transformers", "evaluate", "datasets", "safetensors", "huggingface_hub", "pandas", "dvc"}
LIGHT = {
    "stages.calibrate": HEAVY | {"tokenizers"},
    "stages.postprocess": HEAVY | {"tokenizers", "scipy"},
    "stages.score": HEAVY | {"tokenizers"},
    "stages.report": HEAVY | {"tokenizers", "scipy"},
    "stages.featurize": HEAVY,
    "spanline.cli.main": HEAVY | {"tokenizers", "numpy", "pyarrow"},
    "spanline.walkthrough.entities": HEAVY,
    "spanline.ask.ranking": HEAVY,
    "spanline.compare.run": HEAVY | {"tokenizers"},
    "spanline.ensemble": HEAVY | {"tokenizers"},
    "spanline.release.folder": HEAVY,
    "spanline.preset": HEAVY | {"tokenizers", "numpy", "pyarrow"},
    "spanline.official": HEAVY | {"tokenizers", "numpy", "pyarrow"},
}


def imported_by(module: str) -> set[str]:
    """Top-level packages in memory after a fresh process has imported `module`."""
    code = f"import json, sys, {module}; print(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    result = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    return set(json.loads(result.stdout))


@pytest.mark.parametrize("module", LIGHT)
def test_imports_nothing_heavy(module: str) -> None:
    found = imported_by(module)
    assert module.split(".")[0] in found
    assert not found & LIGHT[module]


@pytest.mark.parametrize("stage", ["featurize", "calibrate", "postprocess", "score", "report"])
def test_a_light_stage_hides_pandas(stage: str) -> None:
    """Which pyarrow would import on the first conversion to numpy. Only a stage that runs as a program hides it: tests
    call `main` in a process that may want pandas."""
    code = f"""
import runpy, sys
import pyarrow as pa
sys.argv = ["stage", "--help"]
try:
    runpy.run_module("stages.{stage}", run_name="__main__")
except SystemExit:
    print(pa.array([True]).to_numpy(zero_copy_only=False), "pandas" in sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[ True] False"


def test_this_test_would_notice() -> None:
    assert "tokenizers" in imported_by("stages.featurize")
    assert "pyarrow" in imported_by("stages.score")

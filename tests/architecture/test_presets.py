"""Every preset of presets/ names keys that exist and gives params that every stage accepts."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

import pytest

from spanline import preset
from tests.architecture.stages import SCRIPTS
from tests.make import yaml_text
from tests.paths import ROOT

PRESETS = sorted((ROOT / "presets").glob("*.yaml"))


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_a_preset_is_nothing_but_differences_and_every_stage_accepts_it(path: Path, tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    shutil.copy(ROOT / "params.yaml", params)
    preset.apply(path, params)
    assert preset.apply(path, params) == []
    content = yaml_text.load(params.read_text(encoding="utf-8"))
    assert content != yaml_text.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert params.read_text(encoding="utf-8").count("#") == (ROOT / "params.yaml").read_text(encoding="utf-8").count(
        "#"
    )
    for name in SCRIPTS:
        module = importlib.import_module(f"stages.{name}")
        if hasattr(module, "PARAMS"):
            module.PARAMS.model_validate(content[module.SECTION])

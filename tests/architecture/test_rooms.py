"""No room is a maze: few modules in each, none directly in src/spanline that has a room; and the walls hold."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

MOST_AT_THE_TOP, MOST_IN_A_ROOM, MOST_LINES = 12, 10, 40
SOURCE = ROOT / "src" / "spanline"


def files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()]


def test_few_files_at_the_top_and_in_each_room() -> None:
    assert len(files(SOURCE)) <= MOST_AT_THE_TOP
    rooms = [path.parent for path in SOURCE.rglob("__init__.py") if path.parent != SOURCE]
    assert {room.name: len(files(room)) for room in rooms if len(files(room)) > MOST_IN_A_ROOM} == {}


@pytest.mark.parametrize("script", sorted(path.stem for path in (ROOT / "stages").glob("[a-z]*.py")))
def test_a_stage_has_a_room_of_its_name(script: str) -> None:
    assert (SOURCE / f"{script}.py").is_file() or (SOURCE / script / "run.py").is_file()


def test_no_function_is_longer_than_a_reader_can_hold() -> None:
    """Lines of a function, from `def` on."""
    long = {}
    for path in [path for folder in ("src", "stages", "tools") for path in (ROOT / folder).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                lines = node.end_lineno - node.lineno + 1
                if lines > MOST_LINES:
                    long[f"{path.relative_to(ROOT)}: {node.name}"] = lines
    assert long == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("download/fetch.py", "from spanline.train import loop"),  # a stage's room from another's
        ("common/files.py", "from spanline.storage import ragged"),  # upwards
        ("newroom.py", "from spanline.common import files"),  # a room that no layer names
        ("score/run.py", "import torch"),  # a library that would take seconds
    ],
)
def test_breaking_a_wall_fails_lint(module: str, line: str, tmp_path: Path) -> None:
    for name in ("src", "stages"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    assert lint(tmp_path).returncode == 0
    path = tmp_path / "src" / "spanline" / module
    path.write_text((path.read_text() if path.exists() else "") + f"\n{line}\n")
    broken = lint(tmp_path)
    assert broken.returncode == 1, broken.stdout
    assert "BROKEN" in broken.stdout or "newroom" in broken.stdout + broken.stderr


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "lint-imports"
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{folder / 'src'}:{folder}"}
    return subprocess.run([program, "--no-cache"], cwd=folder, env=environ, capture_output=True, text=True)

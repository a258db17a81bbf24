"""The documents' first examples, on the model that `make repro` makes: typed as they stand, with what is printed there.

Skipped where this tree's data/model is not the one that dvc.lock names: it takes minutes to make.
"""

from __future__ import annotations

import doctest
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

NOTES = "Plumminster is a town of 78,900 people. Plumminster saw its first train in 1942."


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the default's files, so that the examples' own do not land in the tree."""
    if not _is_default_model():
        pytest.skip("data/model is not the model of dvc.lock: run make repro first")
    for name in ("data", "metrics", "params.yaml", "dvc.yaml", "dvc.lock"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _is_default_model() -> bool:
    """Whether data/model has the bytes that dvc.lock names, by DVC's own word."""
    status = subprocess.run(
        [sys.executable, "-m", "dvc", "status", "train", "--json"], cwd=ROOT, capture_output=True, text=True
    )
    changes = json.loads(status.stdout).get("train", []) if status.returncode == 0 else [{"changed outs": {}}]
    return not any("changed outs" in change for change in changes)


def blocks(document: str, kind: str) -> list[str]:
    """The fenced blocks of this kind; all are taken in turn, so that no end is held for a beginning."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", document, flags=re.MULTILINE | re.DOTALL)
    return [block for name, block in found if name == kind]


@pytest.mark.parametrize("name", ["README.md", "docs/ASK.md"])
def test_the_python_examples_print_what_stands_there(project: Path, name: str) -> None:
    (project / "notes.txt").write_text(NOTES + "\n")
    text = "".join(block for block in blocks((ROOT / name).read_text(), "python") if ">>>" in block)
    example = doctest.DocTestParser().get_doctest(text, {}, name, name, 0)
    assert len(example.examples) == 3
    said: list[str] = []
    outcome = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=said.append)
    assert outcome.failed == 0, "".join(said)


def test_the_shell_example_prints_what_stands_there(project: Path) -> None:
    (block,) = (block for block in blocks((ROOT / "README.md").read_text(), "") if "$ spanline ask" in block)
    commands = [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]
    printed = [line for line in block.splitlines() if not line.startswith("$ ")]
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONPATH": str(ROOT / "src")}
    run = subprocess.run(
        ["bash", "-ec", "\n".join(commands)], cwd=project, capture_output=True, text=True, env=environment
    )
    assert run.stdout.splitlines() == printed, run.stderr


def test_the_cards_example_answers_right(project: Path) -> None:
    out = project / "release"
    command = [sys.executable, "-m", "spanline", "release", "--out", str(out), "--encoder-licence", "mit"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    (block,) = blocks((out / "README.md").read_text(), "python")
    names: dict[str, object] = {}
    calls = 0
    for line in block.splitlines():
        code, _, comment = line.partition("  # ")
        if code.startswith("qa("):
            calls += 1
            assert eval(code, names) == comment  # the answer stands behind the call
        else:
            exec(code.replace("FOLDER", str(out)), names)
    assert calls == 2

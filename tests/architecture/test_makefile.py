"""make takes the newest Python that fits, notices an environment that does not, and says in one line what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.paths import ROOT

# A Python of a version, with or without venv. It makes environments that hold nothing but itself, and notes what pip
# was told and with which variables.
FAKE = """#!/bin/sh
case "$*" in
    *sys.version_info*) echo {version} ;;
    *"import ensurepip, venv"*) exit {status} ;;
    "-m venv "*) /bin/mkdir -p "$3/bin"; /bin/cp "$0" "$3/bin/python" ;;
    "-m pip "*) echo "$PIP_EXTRA_INDEX_URL $*" >> pip.log ;;
    *) echo "$PYTHONPATH $*" >> run.log ;;
esac
"""
ALL = "3.14 3.13 3.12 3.11"


def put_python(path: Path, version: str, has_venv: bool = True) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(FAKE.format(version=version, status=0 if has_venv else 1))
    path.chmod(0o755)


def chosen(folder: Path, python: str = "", venv: str = ".venv") -> str:
    """The version of the environment that tools/venv.sh leaves, or its one line; only `folder`/bin is on the path."""
    environ = {"PATH": str(folder / "bin"), "PYTHON": python}
    command = ["/bin/sh", str(ROOT / "tools/venv.sh"), venv]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)
    if done.returncode:
        [line] = done.stderr.splitlines()
        assert done.stdout == ""
        return line
    assert done.stdout + done.stderr == ""
    return (folder / venv / "bin/python").read_text().split("echo ")[1].split()[0]


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ({"python3.11": "3.11", "python3.12": "3.12", "python3.13": "3.13", "python3.14": "3.14"}, "3.14"),
        ({"python3.11": "3.11", "python3.13": "3.13"}, "3.13"),
        ({"python3.10": "3.10", "python3.15": "3.15", "python3.12": "3.12"}, "3.12"),
        ({"python3": "3.12"}, "3.12"),
        ({"python3": "3.13", "python3.11": "3.11"}, "3.11"),  # the name says what it is
        ({"python3.13": "''", "python3.12": "3.12"}, "3.12"),  # pyenv's stand-in for one that is not chosen
    ],
)
def test_the_newest_python_that_fits(tmp_path: Path, there: dict[str, str], expected: str) -> None:
    for name, version in there.items():
        put_python(tmp_path / "bin" / name, version)
    assert chosen(tmp_path) == expected


@pytest.mark.parametrize("there", [{}, {"python3": "3.10", "python3.9": "3.9"}, {"python3": "3.15"}])
def test_no_python_that_fits_is_one_line(tmp_path: Path, there: dict[str, str]) -> None:
    for name, version in there.items():
        put_python(tmp_path / "bin" / name, version)
    todo = "Debian, Ubuntu: apt install python3-venv; macOS: brew install python; or PYTHON=PATH"
    assert chosen(tmp_path) == f"error: there is no Python {ALL}; {todo}"
    assert not (tmp_path / ".venv").exists()


def test_debians_python_without_venv_is_passed_over_or_told_of(tmp_path: Path) -> None:
    put_python(tmp_path / "bin/python3", "3.13", has_venv=False)
    put_python(tmp_path / "bin/python3.13", "3.13", has_venv=False)
    assert chosen(tmp_path) == "error: Python 3.13 has no venv; Debian, Ubuntu: apt install python3.13-venv"
    put_python(tmp_path / "bin/python3.12", "3.12")
    assert chosen(tmp_path) == "3.12"


def test_python_overrides(tmp_path: Path) -> None:
    for version in ("3.9", "3.11", "3.12", "3.14"):
        put_python(tmp_path / f"bin/python{version}", version)
    assert chosen(tmp_path, "python3.9") == f"error: PYTHON=python3.9: is Python 3.9; name one of Python {ALL}"
    assert chosen(tmp_path, "nowhere") == f"error: PYTHON=nowhere: does not start; name one of Python {ALL}"
    assert chosen(tmp_path, "python3.11") == "3.11"
    assert chosen(tmp_path) == "3.11"  # the environment that is there stays, though there is a newer Python
    assert chosen(tmp_path, str(tmp_path / "bin/python3.11")) == "3.11"
    todo = "rm -rf .venv, or leave it and choose VENV=.venv-3.12"
    assert chosen(tmp_path, "python3.12") == f"error: .venv: is of Python 3.11, PYTHON=python3.12 is 3.12; {todo}"
    assert chosen(tmp_path, "python3.12", ".venv-3.12") == "3.12"


def test_an_environment_that_does_not_fit_is_noticed(tmp_path: Path) -> None:
    put_python(tmp_path / "bin/python3.12", "3.12")
    put_python(tmp_path / ".venv/bin/python", "3.10")
    assert chosen(tmp_path) == f"error: .venv: is of Python 3.10, not of one of {ALL}; rm -rf .venv, and try again"
    (tmp_path / ".venv/bin/python").unlink()
    what = "its Python does not start, it may have been removed"
    assert chosen(tmp_path) == f"error: .venv: {what}; rm -rf .venv, and try again"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("Makefile", "tools/venv.sh", "pyproject.toml", *(path.name for path in ROOT.glob("*.lock"))):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)
    put_python(tmp_path / "bin/python3.12", "3.12")
    put_python(tmp_path / "bin/python3.13", "3.13")
    return tmp_path


def make(project: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "PYTHON": str(project / "bin/python3.12"), **environ}
    return subprocess.run(["make", "-s", *arguments], cwd=project, env=environ, capture_output=True, text=True)


def test_make_installs_the_lock_once_with_pips_own_variables(project: Path) -> None:
    """Which build of torch comes is chosen by them: PIP_EXTRA_INDEX_URL (README)."""
    for _ in range(2):
        done = make(project, "preset", PIP_EXTRA_INDEX_URL="https://an.index/cpu", PYTHONPATH="elsewhere")
        assert done.returncode == 0, done.stderr
    installed = (project / "pip.log").read_text().splitlines()
    assert [line.split()[0] for line in installed] == ["https://an.index/cpu"] * 3
    assert [line.split("check ")[1] for line in installed] == [
        "-r requirements.lock",
        "--no-deps -r requirements-encoder.lock",
        "--no-deps --editable .",
    ]
    command = "-m spanline.preset --presets presets --params params.yaml"  # with this tree's modules
    assert (project / "run.log").read_text().splitlines() == [f"{project}/src:elsewhere {command}"] * 2


def test_make_notices_another_version_each_time(project: Path) -> None:
    assert make(project, "preset").returncode == 0
    done = make(project, "preset", f"PYTHON={project}/bin/python3.13")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: .venv: is of Python 3.12, PYTHON={project}/bin/python3.13 is 3.13; ")
    assert make(project, "preset", f"PYTHON={project}/bin/python3.13", "VENV=.venv-3.13").returncode == 0
    assert (project / ".venv-3.13/installed").exists()

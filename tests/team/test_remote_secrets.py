"""Credentials in a remote's URL are neither shown nor committed: DVC has .dvc/config.local for them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spanline.common.errors import SpanlineError
from tests.paths import ROOT
from tools import team


@pytest.mark.parametrize(
    ("url", "public", "secrets"),
    [
        ("/srv/store", "/srv/store", {}),
        ("../a@b?c", "../a@b?c", {}),
        ("s3://bucket/x", "s3://bucket/x", {}),
        ("https://h:8/x", "https://h:8/x", {}),
        ("https://ann:S3CRET@h/x", "https://h/x", {"user": "ann", "password": "S3CRET", "auth": "basic"}),
        ("https://ann:a%40b%2Fc@h/x", "https://h/x", {"user": "ann", "password": "a@b/c", "auth": "basic"}),
        ("webdavs://ann:S3CRET@h/x", "webdavs://h/x", {"user": "ann", "password": "S3CRET"}),
        ("ssh://ann@h:22/x", "ssh://h:22/x", {"user": "ann"}),
        ("s3://AKIA:S3CRET@bucket/x", "s3://bucket/x", {"access_key_id": "AKIA", "secret_access_key": "S3CRET"}),
    ],
)
def test_what_goes_where(url: str, public: str, secrets: dict[str, str]) -> None:
    assert team.parted(url) == (public, secrets)


@pytest.mark.parametrize(
    "url",
    [
        "https://h/x?sig=S3CRET",
        "https://h/x#S3CRET",
        "https://ann:p/S3CRET@h/x",
        "https://ann:S3CRET@[h/x",
        "https://ann:S3CRET@h:port/x",
        "gs://S3CRET@bucket/x",
        "azure://ann:S3CRET@container/x",
    ],
)
def test_what_has_no_place_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(SpanlineError) as refusal:
        team.parted(url)
    assert "S3CRET" not in str(refusal.value)


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    programs = str(Path(sys.executable).parent)
    environ = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(folder.parent / "dvc-site"),
    }
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    folder.mkdir()
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        done = run(folder, *command)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_no_secret_reaches_the_screen_or_git(clone: Path) -> None:
    done = run(clone, sys.executable, "-m", "tools.team", "--remote", "https://ann:S3CRET@h/x")
    assert done.returncode == 0, done.stderr
    assert "S3CRET" not in done.stdout + done.stderr
    assert "remote https://h/x; commit .dvc/config so that every clone has it" in done.stderr
    assert "S3CRET" not in (clone / ".dvc/config").read_text()
    local = clone / ".dvc/config.local"
    assert "password = S3CRET" in local.read_text()
    assert local.stat().st_mode & 0o077 == 0
    assert run(clone, "git", "add", "-A").returncode == 0
    assert "config.local" not in run(clone, "git", "ls-files").stdout
    (clone / ".dvc/config").write_text("[broken")
    failed = run(clone, sys.executable, "-m", "tools.team", "--remote", "https://ann:S3CRET@h/x")
    assert failed.returncode == 1
    assert "S3CRET" not in failed.stdout + failed.stderr


def test_make_does_not_print_the_command() -> None:
    """make shows a recipe before it runs it, and the URL would stand in it."""
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nteam:")[2].splitlines()[1]
    assert recipe.startswith("\t@python -m tools.team")

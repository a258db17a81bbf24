"""Revisions where files may stand, too: `spanline report` and `spanline examples` take the answers from DVC's cache."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.pipeline.workspace import Workspace

SPANLINE = (sys.executable, "-m", "spanline")


def test_the_page_of_a_revision_has_the_questions_of_its_folder(reproduced: Workspace, tmp_path: Path) -> None:
    pages = []
    for name, shown in (("HEAD", "HEAD"), ("data/answers", "answers")):
        reproduced.run(*SPANLINE, "report", name, "--out", str(tmp_path / "page.html"), "--title", "same")
        page = (tmp_path / "page.html").read_text(encoding="utf-8")
        assert f"{shown}</th>" in page
        pages.append(page)
    of_revision, of_folder = ([line for line in page.splitlines() if "</th>" not in line] for page in pages)
    different = [pair for pair in zip(of_revision, of_folder, strict=True) if pair[0] != pair[1]]
    assert len(different) <= 1  # the packed columns, which hold the name


def test_of_two_revisions_says_what_differs(reproduced: Workspace, tmp_path: Path) -> None:
    name = "of-two-revisions"  # the clone is shared, and so are its experiments' names
    reproduced.run("dvc", "exp", "run", "-n", name, "-S", "postprocess.null_score_diff_threshold=-1.0")
    try:
        reproduced.run("git", "checkout", "params.yaml", "dvc.lock", "metrics")
        reproduced.run("dvc", "checkout")
        reproduced.run(*SPANLINE, "report", "HEAD", name, "--out", str(tmp_path / "page.html"))
        page = (tmp_path / "page.html").read_text(encoding="utf-8")
        assert f"<title>HEAD against {name}</title>" in page
        assert "postprocess.null_score_diff_threshold: calibrated -&gt; -1.0" in page
        assert reproduced.run(*SPANLINE, "examples", name).stdout.startswith("## Right: ")
    finally:
        reproduced.run("dvc", "exp", "remove", name)


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (("HEAD", "none"), "none: is no file, folder, git revision or DVC experiment"),
        (("[hm]a*", "HEAD"), "names 2 runs; name one; for sets there is spanline compare"),
    ],
)
def test_what_is_no_run_is_one_line(reproduced: Workspace, names: tuple[str, ...], line: str) -> None:
    reproduced.run("git", "branch", "-f", "half")
    done = reproduced.run(*SPANLINE, "report", *names, check=False)
    reproduced.run("git", "branch", "-D", "half")
    assert done.returncode == 1
    assert line in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr

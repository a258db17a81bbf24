"""A clone of this repository to run DVC in: the files as they stand in the work tree, tiny data, a tiny encoder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spanline.common.files import sha256
from tests.make import yaml_text
from tests.paths import ROOT

STAGES = (
    "download",
    "checkpoint",
    "featurize@train",
    "featurize@calibration",
    "featurize@validation",
    "train",
    "predict@calibration",
    "predict@validation",
    "calibrate",
    "postprocess",
    "score",
    "report",
)


@dataclass(frozen=True)
class Workspace:
    """A clone with its own DVC cache."""

    root: Path

    def run(self, *command: str, check: bool = True, **environ: str) -> subprocess.CompletedProcess[str]:
        """A command in the clone, with this Python's programs and, where it asks for them, the clone's modules."""
        environ = {**self.environment(), **environ}
        done = subprocess.run(command, cwd=self.root, env=environ, capture_output=True, text=True)
        assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done

    def environment(self) -> dict[str, str]:
        """The clone's modules before the installed ones; no access to hubs."""
        programs = str(Path(sys.executable).parent)
        return {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.root / "src"),
            "HF_HUB_OFFLINE": "1",
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(self.root.parent / "dvc-site"),  # else what DVC remembers piles up in /var/tmp
        }

    def repro(self, *arguments: str) -> set[str]:
        """`dvc repro`; the stages that ran."""
        return ran(self.run("dvc", "repro", *arguments).stdout)

    def set_param(self, key: str, value: Any) -> None:
        """Change one leaf of params.yaml, as `section.key`."""
        path = self.root / "params.yaml"
        content = yaml_text.load(path.read_text(encoding="utf-8"))
        *sections, leaf = key.split(".")
        inner = content
        for section in sections:
            inner = inner[section]
        assert leaf in inner, f"params.yaml has no {key}"
        inner[leaf] = value
        path.write_text(yaml_text.dump(content), encoding="utf-8")

    def commit(self, message: str) -> None:
        """Everything that git sees."""
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", message)


def ran(output: str) -> set[str]:
    """The stages that `dvc repro` says it ran (not those that it took from the run cache)."""
    return set(re.findall(r"^Running stage '([^']+)'", output, flags=re.MULTILINE))


def clone(root: Path, encoder: Path) -> Workspace:
    """The tracked and untracked files of the work tree in a new git repository, set up for tiny data."""
    root.mkdir(parents=True)
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (
            (ROOT / name).is_file()
            and not name.startswith(("data/", "docs/", "metrics/", "tests/"))
            and name != "dvc.lock"
        ):
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    workspace = Workspace(root)
    workspace.run("git", "init", "-q", "-b", "main")
    workspace.run("git", "config", "user.name", "Test")
    workspace.run("git", "config", "user.email", "test@example.org")
    make_tiny(workspace, encoder)
    workspace.commit("tiny data")
    return workspace


def make_tiny(workspace: Workspace, encoder: Path) -> None:
    """Parameters under which the whole pipeline takes seconds."""
    tiny = {
        "download.synthetic.train_questions": 60,
        "download.synthetic.calibration_questions": 40,
        "download.synthetic.validation_questions": 40,
        "checkpoint.source": "path",
        "checkpoint.path.folder": str(encoder),
        "checkpoint.path.sha256": {
            name: sha256(encoder / name) for name in ("config.json", "model.safetensors", "tokenizer.json")
        },
        "featurize.max_length": 96,
        "featurize.doc_stride": 16,
        "featurize.max_question_length": 24,
        "train.epochs": 1.0,
    }
    for key, value in tiny.items():
        workspace.set_param(key, value)

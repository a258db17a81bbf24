"""The walk of docs/TEAM.md, typed line by line by two people in two clones, and what they then hold."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.pipeline.workspace import STAGES, Workspace, ran
from tests.team.document import Line, lines, stages_of

GIT_URL = "git@example.org:qa.git"
REMOTE_URL = "/srv/spanline"
# make finds an environment installed, that of the tests, and does not install another
READY = f"""if [ -f Makefile ]; then
mkdir -p .venv/bin
printf '#!/bin/sh\\nexec {sys.executable} "$@"\\n' > .venv/bin/python
chmod +x .venv/bin/python
touch .venv/installed
fi"""


@dataclass
class Person:
    """Somebody at a shell: `cd` lasts until the next command."""

    place: Path
    storage: str
    hub: Path

    def type(self, line: Line) -> None:
        """Run the line with this test's addresses, and hold its comment against what happened."""
        command = line.command.replace(GIT_URL, str(self.hub)).replace(f"REMOTE={REMOTE_URL}", f"REMOTE={self.storage}")
        done = self._shell(f"{READY}\n{command}\npwd > {self.hub.parent}/place")
        where = f"{line.who}: {command}\n{done.stdout}\n{done.stderr}"
        if line.claim.startswith("stops"):
            assert done.returncode != 0, where
            assert line.claim.removeprefix("stops at ") in done.stdout + done.stderr, where
            return
        assert done.returncode == 0, where
        if line.claim:
            assert ran(done.stdout) == stages_of(line.claim, set(STAGES)), where
        self.place = Path((self.hub.parent / "place").read_text().strip())

    def _shell(self, script: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **Workspace(self.place).environment(),
            "GIT_AUTHOR_NAME": "Test",
            "GIT_AUTHOR_EMAIL": "test@example.org",
            "GIT_COMMITTER_NAME": "Test",
            "GIT_COMMITTER_EMAIL": "test@example.org",
        }
        return subprocess.run(["bash", "-ec", script], cwd=self.place, env=environment, capture_output=True, text=True)


def walk(ann: Workspace, storage: str, places: Path, first_run: bool) -> dict[str, Person]:
    """Type every line of the document; without `first_run`, Ann's first `dvc repro` finds her results in her cache."""
    hub = places / "hub.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(hub)], check=True)
    ann.run("git", "remote", "add", "origin", str(hub))
    (places / "bob").mkdir()
    people = {"ann": Person(ann.root, storage, hub), "bob": Person(places / "bob", storage, hub)}
    for line in lines():
        claim = "runs nothing" if line.claim == "runs every stage" and not first_run else line.claim
        people[line.who].type(Line(line.who, line.command, claim))
    return people


def outputs(root: Path) -> dict[str, bytes]:
    """Every file that the stages wrote, as DVC and git share them."""
    files = [path for folder in ("data", "metrics") for path in (root / folder).rglob("*") if path.is_file()]
    shared = (path for path in files if "runtime" not in path.parts and path.name != ".gitignore")
    return {str(path.relative_to(root)): path.read_bytes() for path in shared}

"""The commands of docs/TEAM.md: who types what, and what the comment beside it says will happen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.paths import ROOT

BLOCK = re.compile(r"^```sh (\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Line:
    """One command of a block marked ```sh NAME, and its comment."""

    who: str
    command: str
    claim: str  # "" when there is none


def lines(path: Path = ROOT / "docs" / "TEAM.md") -> list[Line]:
    """Every line of every block that has a name, in order."""
    found = []
    for who, block in BLOCK.findall(path.read_text(encoding="utf-8")):
        for text in block.splitlines():
            command, _, claim = text.partition("  # ")
            found.append(Line(who, command.strip(), claim.strip()))
    return found


def stages_of(claim: str, every: set[str]) -> set[str]:
    """What `runs nothing`, `runs every stage` or `runs score, train` stands for."""
    words = claim.removeprefix("runs ")
    return {"nothing": set(), "every stage": every}.get(words) or set(words.split(", ")) - {"nothing"}

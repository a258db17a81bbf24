"""The walk of docs/TEAM.md: its own commands, by two people in two clones, and what its comments say of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipeline.workspace import STAGES, clone
from tests.team.document import lines, stages_of
from tests.team.walk import outputs, walk


@pytest.mark.slow
def test_the_walk_on_a_shared_folder(tmp_path: Path, tiny_encoder: Path) -> None:
    people = walk(clone(tmp_path / "ann" / "qa", tiny_encoder), str(tmp_path / "store"), tmp_path, first_run=True)
    anns, bobs = (outputs(people[name].place) for name in ("ann", "bob"))
    assert len(anns) > 30
    assert anns == bobs


def test_the_document_says_what_runs_and_the_test_reads_it() -> None:
    """A document whose comments are no longer understood must not pass for one that is checked."""
    claims = [line.claim for line in lines()]
    assert claims.count("runs nothing") >= 4
    assert {"runs every stage", "runs postprocess, score, report", "stops at dvc.lock"} <= set(claims)
    assert all(line.claim for line in lines() if line.command.startswith(("dvc repro", "dvc exp run")))
    assert all(stages_of(c, set(STAGES)) <= set(STAGES) for c in claims if c.startswith("runs"))
    assert {line.who for line in lines()} == {"ann", "bob"}

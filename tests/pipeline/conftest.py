"""One clone with the whole pipeline run, shared by the tests that look, copy it, or change it and put it back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipeline.workspace import Workspace, clone


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Workspace:
    """A clone in which `dvc repro` has run once and the result is committed."""
    workspace = clone(tmp_path_factory.mktemp("clone") / "repository", tiny_encoder)
    workspace.repro()
    workspace.commit("first run")
    return workspace

"""Fixtures of the tests of training."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.make.checkpoint import make_checkpoint


@pytest.fixture(scope="module", autouse=True)
def small(one_thread: None) -> None:
    """All models here are."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("checkpoint"))

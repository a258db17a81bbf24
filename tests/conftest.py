"""Fixtures for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.make.encoder import make_encoder
from tests.paths import SHARED

# A busy machine is no bug: no property may fail for the time that it took.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the real SQuAD v2 files (SPANLINE_SHARED); tests that need it are skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"there is no {SHARED}; SPANLINE_SHARED names the folder that holds squad_v2/")
    return SHARED


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_encoder(tmp_path_factory.mktemp("encoder") / "tiny")


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Models this small only get slower with more."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)

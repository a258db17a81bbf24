"""How much of a machine a process takes."""

from __future__ import annotations

import pytest
import torch

from spanline.model import device


def test_a_batch_at_a_time_for_each_core_shared_by_the_processes_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "num_cores", lambda: 8)
    cpu = torch.device("cpu")
    assert device.num_workers(cpu, 0) == 8
    assert device.num_workers(cpu, 3) == 3
    assert device.num_workers(torch.device("cuda"), 3) == 1
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert device.num_workers(cpu, 0) == 4
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "20")
    assert device.num_workers(cpu, 0) == 1

"""How much of a machine a process takes."""

from __future__ import annotations

import pytest
import torch

from spanline.model import device
from spanline.model.precision import Instructions, Precision

NO_INSTRUCTION = "bfloat16 on a processor without avx512_bf16 takes about twice as long as float32: set float32 here\n"
NOT_ALLOWED = "bfloat16 with AVX2 alone takes about twice as long as float32: set float32, or instructions: native\n"


@pytest.mark.parametrize(
    ("is_x86", "has_instruction", "instructions", "precision", "said"),
    [
        (True, False, "native", "bfloat16", NO_INSTRUCTION),
        (True, False, "avx2", "bfloat16", NO_INSTRUCTION),
        (True, True, "avx2", "bfloat16", NOT_ALLOWED),
        (True, True, "native", "bfloat16", ""),
        (True, False, "native", "float32", ""),
        (False, False, "avx2", "bfloat16", ""),  # not known there
    ],
)
def test_bfloat16_on_a_processor_that_does_not_multiply_it_is_said(
    is_x86: bool,
    has_instruction: bool,
    instructions: Instructions,
    precision: Precision,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(device, "is_x86", lambda: is_x86)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has_instruction)
    device.warn_of_slow_bfloat16(torch.device("cpu"), precision, instructions)
    assert capsys.readouterr().err == said
    device.warn_of_slow_bfloat16(torch.device("cuda"), precision, instructions)
    assert capsys.readouterr().err == ""


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

"""AVX2 and no more, whatever the processor and the environment say; one line where that can't be had."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest
import torch

from spanline.model import processor, products

X86 = platform.machine().lower() in ("x86_64", "amd64")
CAPABILITY = (
    "import torch, transformers\n"
    "from spanline.model import device\n"
    "device.prepare('cpu', 1, 'float32', True, {!r})\n"
    "torch.ones(4) @ torch.ones(4)\n"
    "print(torch.backends.cpu.get_cpu_capability())\n"
)


def capability(instructions: str, **environment: str) -> tuple[str, str]:
    """What torch uses after `prepare` in a fresh process, and what that said."""
    code, env = CAPABILITY.format(instructions), {**os.environ, **environment}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip(), done.stderr


@pytest.mark.skipif(not X86, reason="not an x86-64 processor")
def test_avx2_is_all_that_is_used_and_nothing_is_said() -> None:
    assert capability("avx2", ATEN_CPU_CAPABILITY="default") == ("AVX2", "")


@pytest.mark.skipif(not X86, reason="not an x86-64 processor")
def test_native_is_what_the_processor_has_and_the_run_says_so() -> None:
    used, said = capability("native", ATEN_CPU_CAPABILITY="default")
    assert used == torch.backends.cpu.get_cpu_capability() != "DEFAULT"
    what = "another kind of processor rounds otherwise; dvc pull gives the bytes of dvc.lock"
    assert said == f"computed on {platform.machine()}, {used}: {what}\n"


def test_other_processors_are_left_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    for name in processor.AVX2:
        monkeypatch.setenv(name, "of the caller")
    processor.limit("avx2")
    assert not set(processor.AVX2) & set(os.environ)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    processor.tell(torch.device("cpu"), "avx2")
    assert capsys.readouterr().err.startswith("computed on arm64, DEFAULT: ")


def test_every_library_has_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "AMD64")
    for name in processor.AVX2:
        monkeypatch.delenv(name, raising=False)
    processor.limit("avx2")
    found = {name: os.environ[name] for name in ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_CBWR")}
    assert found == {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "COMPATIBLE"}
    processor.limit("native")
    assert not set(processor.AVX2) & set(os.environ)


def test_a_gpu_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")
    processor.tell(torch.device("cuda"), "avx2")
    assert capsys.readouterr().err.startswith("computed on Some GPU: another kind of processor rounds otherwise")


def test_a_torch_without_onednn_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    monkeypatch.setattr(products, "are_onednns", lambda: False)
    processor.tell(torch.device("cpu"), "avx2")
    assert capsys.readouterr().err.startswith("computed on x86_64, AVX2: ")
    monkeypatch.setattr(products, "are_onednns", lambda: True)
    processor.tell(torch.device("cpu"), "avx2")
    assert capsys.readouterr().err == ""

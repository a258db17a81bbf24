"""Where tensors live and how their arithmetic is done: device, threads, precision, determinism, peak memory."""

from __future__ import annotations

import contextlib
import math
import os
import resource
import sys
import time
from typing import Any

import torch

from spanline.common.arithmetic import is_x86
from spanline.common.console import say
from spanline.common.errors import SpanlineError
from spanline.model import processor
from spanline.model.distributed import local_rank, local_size
from spanline.model.precision import Instructions, Precision
from spanline.runtime import num_cores


def prepare(
    name: str, num_threads: int, precision: Precision, deterministic: bool, instructions: Instructions
) -> torch.device:
    """The device that `runtime.device` names, with torch set up for it. Call once, before the first tensor.

    `num_threads` counts CPU threads, 0 = one for each core this process may use. It shapes the last bits of results
    (the gradients of layer norms are summed thread by thread, for one): a tracked param, not `runtime.workers`.
    """
    processor.limit(instructions)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it once: sums in a fixed order
    torch.set_num_threads(num_threads or num_cores())
    torch.use_deterministic_algorithms(deterministic)
    debugging: Any = torch.utils.deterministic
    debugging.fill_uninitialized_memory = False  # would write over every new tensor, to find bugs
    device = find(name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    processor.tell(device, instructions)
    warn_of_slow_bfloat16(device, precision, instructions)
    return device


def warn_of_slow_bfloat16(device: torch.device, precision: Precision, instructions: Instructions) -> None:
    """Say so where a CPU was asked for bfloat16 that it does not, or may not, multiply itself: torch then converts all
    the time."""
    if device.type != "cpu" or precision != "bfloat16":
        return
    if not multiplies_bfloat16():
        say("bfloat16 on a processor without avx512_bf16 takes about twice as long as float32: set float32 here")
    elif instructions == "avx2" and is_x86():
        say("bfloat16 with AVX2 alone takes about twice as long as float32: set float32, or instructions: native")


def multiplies_bfloat16() -> bool:
    """Whether this CPU has instructions for it. Known of x86 only; others have our trust."""
    return not is_x86() or torch.cpu._is_avx512_bf16_supported()


def find(name: str) -> torch.device:
    """The device that `runtime.device` or an option names; auto is the GPU if there is one. Of several processes that
    torchrun started here, `auto` and `cuda` give each a GPU of its own."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = _of_this_process(torch.device(name))
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        what = f"'runtime.device' is {name!r}, which torch can't use here ({str(error).splitlines()[0]})"
        raise SpanlineError("params.yaml", what, "set it to auto, cpu, cuda, cuda:1 or mps") from None
    return device


def _of_this_process(device: torch.device) -> torch.device:
    """`device`, with the number that a GPU always needs; SpanlineError where processes would share one."""
    if device.type != "cuda":
        return device
    if device.index is not None and local_size() > 1:
        what = f"'runtime.device' is '{device}', one GPU for the {local_size()} processes that torchrun started here"
        raise SpanlineError("params.yaml", what, "set it to auto, which gives each its own")
    if device.index is None and local_rank() >= torch.cuda.device_count() > 0:
        what = f"started {local_size()} processes on a machine with {torch.cuda.device_count()} GPUs"
        raise SpanlineError("torchrun", what, "start one for each: --nproc-per-node gpu")
    return device if device.index is not None else torch.device("cuda", local_rank())


def arithmetic(device: torch.device, precision: Precision) -> contextlib.AbstractContextManager[None]:
    """The context of a forward pass: bfloat16 runs matrix products in bfloat16 and keeps weights in float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


def matmul_flops_per_s(device: torch.device, precision: Precision) -> float:
    """What this device really reaches in a large matrix product: the measure of a model's own speed (MFU)."""
    width, most, enough_s = (8192, 10, math.inf) if device.type == "cuda" else (1024, 10, 0.5)
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    one, other = (torch.randn(width, width, device=device, dtype=dtype) for _ in range(2))
    torch.mm(one, other)
    synchronize(device)
    started = time.perf_counter()
    done = 0
    while done < most and time.perf_counter() - started < enough_s:  # bfloat16 without instructions takes seconds
        torch.mm(one, other)
        done += 1
    synchronize(device)
    return 2.0 * width**3 * done / (time.perf_counter() - started)


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has done what it was told; nothing is pending on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def num_workers(device: torch.device, wanted: int) -> int:
    """How many batches to compute at a time, each on one CPU thread: `wanted`, 0 = one for each core that this process
    may use, shared out among torchrun's processes on this machine. A GPU takes one batch after the other.

    A batch is too small for threads to share its matrix products well, and on one thread its last bits are the same
    whatever the number of cores.
    """
    return (wanted or max(1, num_cores() // local_size())) if device.type == "cpu" else 1


def peak_memory_bytes(device: torch.device) -> int:
    """The most memory that was in use so far: the GPU's for a GPU, else the whole process's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts bytes on macOS, KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

"""Which instructions torch's arithmetic may use on a CPU, and one line for results that others would round otherwise.

As common.arithmetic does for numpy, each library under torch is told to use AVX2 by the variable of its documentation:
torch's own kernels (ATEN_CPU_CAPABILITY) and oneDNN (ONEDNN_MAX_CPU_ISA). MKL, whose code for AVX2 is not the same for
every maker, is told to use what is (MKL_CBWR, "conditional numerical reproducibility"), which is slow, and gets the
small products only (`model.products`).
"""

from __future__ import annotations

import os
import platform

import torch

from spanline.common.arithmetic import is_x86
from spanline.common.console import say
from spanline.model import products
from spanline.model.precision import Instructions

AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "COMPATIBLE"}


def limit(instructions: Instructions) -> None:
    """Use AVX2 and no more on an x86-64 CPU, or with `native` whatever this one has.

    Call it before the first tensor: the libraries read these variables once, when they first compute. What the caller's
    environment says of them is overridden, for the param is what DVC tracks.
    """
    is_avx2 = instructions == "avx2" and is_x86()
    for name, value in AVX2.items():
        if is_avx2:
            os.environ[name] = value
        else:
            os.environ.pop(name, None)
    products.use_onednn(is_avx2)


def tell(device: torch.device, instructions: Instructions) -> None:
    """Say in one line what the results are computed on, where another processor would give other last bits."""
    if device.type == "cuda":
        where = torch.cuda.get_device_name(device)
    elif device.type != "cpu":
        where = device.type
    elif products.are_onednns() and torch.backends.cpu.get_cpu_capability() == "AVX2":
        return
    else:
        where = f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"
    say(f"computed on {where}: another kind of processor rounds otherwise; dvc pull gives the bytes of dvc.lock")

"""numpy's arithmetic, the same to the last bit on every x86-64 processor that has AVX2.

A processor with AVX-512 takes numbers sixteen at a time instead of eight: numpy has another `exp` and `log` for it,
and OpenBLAS adds up in another order. Both are told to leave it alone, by the variables of their documentation; they
read them once, when numpy is imported. (torch: `model.processor`.)
"""

from __future__ import annotations

import os
import platform

NUMPY = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",  # https://numpy.org/doc/stable/reference/simd/
    "OPENBLAS_CORETYPE": "Haswell",  # OpenBLAS's name for AVX2 with fused multiply-add
}


def limit_numpy() -> None:
    """Use AVX2 and no more. Call it before numpy is imported; later it changes nothing."""
    if is_x86():
        os.environ.update(NUMPY)


def is_x86() -> bool:
    """Of 64 bits."""
    return platform.machine().lower() in ("x86_64", "amd64")

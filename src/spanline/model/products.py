"""Matrix products of float32 by oneDNN, whose code for AVX2 does not ask who made the processor.

torch hands them to MKL, which on an x86-64 CPU chooses by the maker as well: on an Intel and an AMD processor, told to
use AVX2 alike, narrow and batched products have other last bits (docs/RESULTS.md, "The same bytes on other
processors"). MKL's one promise for all makers (MKL_CBWR=COMPATIBLE, `model.processor`) costs more than half of its
speed. So `mm` and `addmm`, nearly all that a transformer computes, go to oneDNN, as fast as MKL's AVX2 code; the small
rest, such as the products inside torch's attention, stays with MKL and its promise.

Legend: a is (M, K), b is (K, N).
"""

from __future__ import annotations

import os
import warnings
from typing import Any

import torch
from torch import Tensor

_registered: list[Any] = []  # torch forgets a kernel together with its Library
_is_wanted = False
# How many shapes oneDNN, and torch's layer over it, keep kernels of. Every batch has an M of its own: by default they
# would keep 1,024 each, hundreds of MiB in a long run. A layer's shapes come back within one batch; 64 are enough.
_KEPT_KERNELS = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")


def use_onednn(is_wanted: bool) -> None:
    """Have oneDNN do the products of this process's CPU tensors from now on, or leave them to torch."""
    global _is_wanted
    _is_wanted = is_wanted and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not _is_wanted or _registered:
        return
    for variable in _KEPT_KERNELS:
        os.environ.setdefault(variable, "64")
    library: Any = torch.library.Library("aten", "IMPL")  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():  # "Overriding a previously registered kernel": that is the purpose
        warnings.simplefilter("ignore", UserWarning)
        library.impl("mm", _mm, "CPU", allow_override=True)
        library.impl("addmm", _addmm, "CPU", allow_override=True)
    _registered.append(library)


def are_onednns() -> bool:
    """Whether the products of float32 are oneDNN's now."""
    return _is_wanted


def _mm(a: Tensor, b: Tensor) -> Tensor:
    if _is_for_onednn(a, b):
        return _product(a, b, None)
    return torch.mm(a, b, out=a.new_empty(a.shape[0], b.shape[1]))  # with `out` it is another kernel: torch's own


def _addmm(added: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    if _is_for_onednn(a, b) and added.dtype == torch.float32 and beta == alpha == 1 and added.shape == b.shape[1:]:
        return _product(a, b, added)
    return torch.addmm(added, a, b, beta=beta, alpha=alpha, out=a.new_empty(a.shape[0], b.shape[1]))


def _is_for_onednn(a: Tensor, b: Tensor) -> bool:
    """False where there is nothing to multiply, and for what torch refuses in words of its own."""
    is_plain = _is_wanted and a.dtype == b.dtype == torch.float32 and a.dim() == b.dim() == 2
    return is_plain and a.shape[1] == b.shape[0] and a.numel() > 0 and b.numel() > 0


def _product(a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
    """(M, N): a b, plus a bias of N numbers. The operator is the one that torch.compile has for such layers."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(a, b.t(), bias, "none", [], "")
    return product

"""A device that says it is a GPU and computes on the CPU: what is not moved to it, or not moved back, is an error here
as on a GPU. It knows nothing of a GPU's rounding, its speed or its kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map_only

from spanline.ask import fast_bert
from spanline.model import span_model

DEVICE = torch.device("cuda", 0)
MAY_MIX = ("aten::_to_copy", "aten::to", "aten::copy_", "aten::index")  # an index may be the CPU's


class OnDevice(Tensor):
    """A tensor on DEVICE. `values` are its numbers, on the CPU."""

    values: Tensor
    has_float64 = True

    @staticmethod
    def __new__(cls, values: Tensor) -> OnDevice:
        if values.dtype == torch.float64 and not cls.has_float64:
            raise TypeError("there is no float64 on this device")
        kind = {"dtype": values.dtype, "layout": values.layout, "device": torch.device("meta")}
        shape = (values.size(), values.stride(), values.storage_offset())
        with torch.inference_mode(False):  # a tensor of inference mode has no version, for which torch asks here
            made = Tensor._make_wrapper_subclass(cls, *shape, **kind, requires_grad=False)  # type: ignore[attr-defined]
        made.values = values
        return made  # type: ignore[no-any-return]

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return DEVICE

    def tolist(self) -> Any:
        """As every device's tensors give it: it waits and copies."""
        return self.values.tolist()

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec)

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"OnDevice({self.values!r})"

    @classmethod
    def __torch_dispatch__(cls, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(op, args, kwargs or {})


class _Factories(TorchDispatchMode):
    """Catches what makes tensors on DEVICE out of nothing, or out of the CPU's."""

    _mode_key = torch._C._TorchDispatchModeKey.FAKE  # torch then asks for no driver

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(op, args, kwargs or {})


def _run(op: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """The operation on the CPU; its results are on DEVICE where that is named or the inputs are there."""
    name = op._schema.name
    given = tree_leaves((args, kwargs))
    tensors = [leaf for leaf in given if isinstance(leaf, Tensor)]
    wanted = [leaf.type for leaf in given if isinstance(leaf, torch.device)]
    is_there = any(isinstance(tensor, OnDevice) for tensor in tensors)
    strays = [tensor for tensor in tensors if not isinstance(tensor, OnDevice) and tensor.dim()]  # numbers may come
    if is_there and strays and name not in MAY_MIX:
        raise RuntimeError(f"{op}: a tensor of shape {tuple(strays[0].shape)} is on the CPU, others on the GPU")
    # to torch itself a tensor of the stand-in is on `meta`, which it names where it makes another beside it
    to_device = wanted[0] in (DEVICE.type, "meta") if wanted else is_there
    plain = tree_map_only(OnDevice, lambda tensor: tensor.values, (args, kwargs))
    plain_args, plain_kwargs = tree_map_only(torch.device, lambda _: torch.device("cpu"), plain)
    found = op(*plain_args, **plain_kwargs)
    if name == "aten::_local_scalar_dense" or name == "aten::equal":
        return found
    if op._schema.is_mutable:  # in place: the same tensors, not new ones around them
        same = {id(tensor.values): tensor for tensor in tensors if isinstance(tensor, OnDevice)}
        return tree_map_only(Tensor, lambda tensor: same.get(id(tensor), tensor), found)
    return tree_map_only(Tensor, OnDevice, found) if to_device else found


def _pinned(tensor: Tensor) -> Tensor:
    """For Tensor.pin_memory, in whatever thread."""
    if isinstance(tensor, OnDevice):
        raise RuntimeError("only memory of the CPU can be pinned")
    return tensor.clone()


def _on_the_cpu(call: Callable[..., Any]) -> Callable[..., Any]:
    """`call`, with `meta` meaning what it does elsewhere."""

    @wraps(call)
    def called(*args: Any, **kwargs: Any) -> Any:
        with _disable_current_modes():
            return call(*args, **kwargs)

    return called


@contextmanager
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    """Inside, DEVICE is there. Models are loaded, and empty ones made, on the CPU as ever."""
    calls: dict[str, Callable[..., Any]] = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "set_device": torch.cuda._utils._get_device_index,
        "synchronize": lambda device=None: None,
        "max_memory_allocated": lambda device=None: 2**20,
        "get_device_name": lambda device=None: "stand-in",
    }
    for name, call in calls.items():
        monkeypatch.setattr(torch.cuda, name, call)
    monkeypatch.setattr(Tensor, "pin_memory", _pinned)
    for module, name in ((span_model, "pretrained"), (span_model, "load"), (span_model, "_stock_model")):
        monkeypatch.setattr(module, name, _on_the_cpu(getattr(module, name)))
    monkeypatch.setattr(fast_bert, "load", _on_the_cpu(fast_bert.load))
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)  # a module's `to` makes its weights anew
    try:
        with _Factories():
            yield DEVICE
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)

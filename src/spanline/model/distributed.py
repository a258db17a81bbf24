"""One process or several: who writes, what is summed.

Several are started by `torchrun`, which sets RANK, LOCAL_RANK and WORLD_SIZE; a single process needs none of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Group:
    """The processes that work together, and which of them this is."""

    rank: int  # from 0
    size: int

    @property
    def is_first(self) -> bool:
        """The one that writes."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> None:
        """Add up, in place, what all processes have in `tensor`."""
        if self.size > 1:
            dist.all_reduce(tensor)

    def share(self, value: Any) -> Any:
        """What the first process has as `value`."""
        values = [value]
        if self.size > 1:
            dist.broadcast_object_list(values)
        return values[0]

    def wait(self) -> None:
        """Until all processes have come here."""
        if self.size > 1:
            dist.barrier()


ALONE = Group(0, 1)


def local_rank() -> int:
    """Which of this machine's processes this is: the number of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def local_size() -> int:
    """How many processes of the group share this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


@contextmanager
def join(device: torch.device) -> Iterator[Group]:
    """The group that torchrun made this process a part of; `ALONE` without torchrun."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    yield Group(dist.get_rank(), dist.get_world_size())
    dist.destroy_process_group()  # not after an error: it would wait for processes that have gone

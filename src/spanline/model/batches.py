"""Which features make up which step, and their tensors. The order is arithmetic: a pure function, nothing to replay.

Legend: N features, S steps of an epoch, B features of a batch, T tokens of the batch's longest feature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
import torch

from spanline.storage.features import Features
from spanline.storage.ragged import Array, Ragged, ranges

Item = TypeVar("Item")
Made = TypeVar("Made")

BATCHES_PER_POOL = 64  # batches sorted by length together: more means less padding, fewer means more mixing


@dataclass(frozen=True)
class Batch:
    """Tensors of B features, padded on the right."""

    input_ids_BT: torch.Tensor  # int64; padding holds the model's pad token
    token_type_ids_BT: torch.Tensor  # int64
    attention_mask_BT: torch.Tensor | None  # bool, False on padding; None when nothing is padded
    allowed_BT: torch.Tensor  # bool; context tokens and the null position, where an answer may start or end
    start_B: torch.Tensor  # int64; label, token position
    end_B: torch.Tensor  # int64; label, inclusive
    null_B: torch.Tensor  # int64; the null position

    def pinned(self) -> Batch:
        """The batch in page-locked memory, from which a GPU copies by itself, while it computes."""
        return self._each(lambda part: part.pin_memory())

    def to(self, device: torch.device) -> Batch:
        """The batch on `device`."""
        return self._each(lambda part: part.to(device, non_blocking=True))

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        changed: dict[str, Any] = {name: part if part is None else change(part) for name, part in parts.items()}
        return Batch(**changed)


def num_steps(num_features: int, batch_size: int) -> int:
    """Steps of one epoch."""
    return -(-num_features // batch_size)


def epoch(lengths_N: Array, batch_size: int, seed: int, number: int) -> Ragged:
    """The feature numbers of every step of epoch `number` (from 0): each feature once, each step of similar lengths.

    Shuffle, cut into pools of about BATCHES_PER_POOL batches, sort each pool by length, cut it into batches, shuffle
    all batches. Batch sizes differ by at most one: a rest of three features would get the weight of a whole batch.
    """
    count = len(lengths_N)
    steps = num_steps(count, batch_size)
    num_pools = max(1, steps // BATCHES_PER_POOL)
    bounds = np.arange(steps + 1) * count // max(steps, 1)
    pool_of_step = np.arange(steps) * num_pools // max(steps, 1)
    pool_N = np.repeat(pool_of_step, np.diff(bounds))
    shuffled = _permutation(count, seed, number, 0)
    ordered = shuffled[np.lexsort((lengths_N[shuffled], pool_N))]
    return Ragged(ordered, bounds).take(_permutation(steps, seed, number, 1))


def _permutation(count: int, *key: int) -> Array:
    """A permutation of `range(count)`, the same for the same key in every release of numpy.

    Only the raw stream of a bit generator is promised never to change, so sort that (numpy NEP 19).
    """
    raw = np.random.PCG64(np.random.SeedSequence(key)).random_raw(count)
    return np.argsort(raw, kind="stable")


def by_length(rows: Array, lengths_N: Array) -> Array:
    """`rows`, shortest feature first, equal lengths in the order given."""
    return rows[np.argsort(lengths_N[rows], kind="stable")]


def within_token_limit(lengths_N: Array, tokens_per_batch: int) -> list[Array]:
    """All features, longest first, cut into batches of at most `tokens_per_batch` tokens, padding included.

    A feature longer than the limit is a batch of its own.
    """
    rows = by_length(np.arange(len(lengths_N)), lengths_N)[::-1]
    batches: list[Array] = []
    while len(rows):
        size = max(1, tokens_per_batch // int(lengths_N[rows[0]]))
        batches.append(rows[:size])
        rows = rows[size:]
    return batches


def num_padded_tokens(rows: Array, lengths_N: Array) -> int:
    """Tokens of the batch `rows` as the model sees it, padding included."""
    return int(lengths_N[rows].max()) * len(rows)


def collate(features: Features, rows: Array, pad_token_id: int) -> Batch:
    """The features numbered `rows` as one padded batch."""
    lengths_B = features.lengths[rows]
    position_T = np.arange(lengths_B.max())
    filled_BT = position_T < lengths_B[:, None]
    return Batch(
        input_ids_BT=_pad(features.input_ids, rows, filled_BT, pad_token_id),
        token_type_ids_BT=_pad(features.token_type_ids, rows, filled_BT, 0),
        attention_mask_BT=None if filled_BT.all() else torch.from_numpy(filled_BT),
        allowed_BT=torch.from_numpy(_allowed(features, rows, position_T)),
        start_B=torch.from_numpy(features.start_position[rows].astype(np.int64)),
        end_B=torch.from_numpy(features.end_position[rows].astype(np.int64)),
        null_B=torch.from_numpy(features.null_position[rows].astype(np.int64)),
    )


def ahead(make: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[Made]:
    """`make(item)` of each item, in order; a thread makes the next one while the caller works on the one before."""
    with ThreadPoolExecutor(1) as thread:
        pending: Future[Made] | None = None
        for item in items:
            following = thread.submit(make, item)
            if pending is not None:
                yield pending.result()
            pending = following
        if pending is not None:
            yield pending.result()


def _pad(column: Ragged, rows: Array, filled_BT: Array, padding: int) -> torch.Tensor:
    padded_BT = np.full(filled_BT.shape, padding, dtype=np.int64)
    padded_BT[filled_BT] = column.values[ranges(column.bounds[rows], filled_BT.sum(axis=1))]
    return torch.from_numpy(padded_BT)


def _allowed(features: Features, rows: Array, position_T: Array) -> Array:
    """(B, T) bool: context tokens and the null position."""
    first_B = features.context_start[rows].astype(np.int64)
    last_B = first_B + features.context_lengths[rows]
    in_context_BT = (position_T >= first_B[:, None]) & (position_T < last_B[:, None])
    allowed: Array = in_context_BT | (position_T == features.null_position[rows][:, None])
    return allowed

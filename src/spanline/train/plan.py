"""What each optimizer step takes, as a pure function of its number: nothing is drawn while the loop runs.

Legend: N features, S steps of the whole run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spanline.model import batches
from spanline.model.distributed import Group
from spanline.storage.ragged import Array, Ragged
from spanline.train.optimizer import factor
from spanline.train.params import TrainParams

MAX_HISTORY_ROWS = 500
COUNTS = ("features", "tokens", "padded_tokens", "squared_lengths")


@dataclass(frozen=True)
class Step:
    """One optimizer step, as the process of one rank sees it."""

    number: int  # from 0
    rows: Array  # the feature numbers of all processes, shortest feature first
    micro_batches: list[Array]  # this process's share of them, a forward pass each; at least one
    loss_share: float  # of one feature in the step's loss: 1 / number of features, or 0 where the share is made up
    learning_rate: float
    seed: int  # of dropout
    is_last_of_epoch: bool  # also of an epoch that the run ends within
    counts: dict[str, int]  # of COUNTS, over all processes


class Plan:
    """All steps of a run."""

    def __init__(self, lengths_N: Array, p: TrainParams) -> None:
        self._lengths_N, self.p = lengths_N.astype(np.int64), p
        self._epoch: tuple[int, Ragged] | None = None
        self.steps_per_epoch = batches.num_steps(len(lengths_N), p.batch_size)
        self.total_steps = max(1, round(p.epochs * self.steps_per_epoch)) if p.epochs else 0
        self.num_features = self._count_features()
        self.log_every = max(
            1, -(-self.total_steps // MAX_HISTORY_ROWS)
        )  # the device is asked for its numbers only then

    def steps(self, first: int, group: Group) -> Iterator[Step]:
        """The steps from number `first` to the end of the run."""
        return (self.step(number, group) for number in range(first, self.total_steps))

    def step(self, number: int, group: Group) -> Step:
        """Step `number`, for the process `group.rank` of `group.size`."""
        rows = self.rows(number)
        shares = [self._micro_batches(rows[rank :: group.size]) for rank in range(group.size)]
        own = shares[group.rank]
        return Step(
            number=number,
            rows=rows,
            # a process that got no rows runs one feature with weight 0, because all processes must join the all-reduce
            micro_batches=own or [rows[:1]],
            loss_share=1 / len(rows) if own else 0.0,
            learning_rate=self.learning_rate(number),
            seed=_seed(self.p.seed, number, group.rank),
            is_last_of_epoch=(number + 1) % self.steps_per_epoch == 0 or number + 1 == self.total_steps,
            counts=self._counts(rows, [part for share in shares for part in share]),
        )

    def rows(self, number: int) -> Array:
        """The feature numbers of step `number`, shortest feature first."""
        epoch, index = divmod(number, self.steps_per_epoch)
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = epoch, batches.epoch(self._lengths_N, self.p.batch_size, self.p.seed, epoch)
        return self._epoch[1][index]

    def learning_rate(self, number: int) -> float:
        """Of step `number`."""
        warmup_steps = round(self.p.warmup_fraction * self.total_steps)
        return self.p.learning_rate * factor(number, self.total_steps, warmup_steps, self.p.schedule)

    def _micro_batches(self, share: Array) -> list[Array]:
        size = self.p.micro_batch_size
        return [share[start : start + size] for start in range(0, len(share), size)]

    def _counts(self, rows: Array, micro_batches: list[Array]) -> dict[str, int]:
        lengths = self._lengths_N[rows]
        padded = sum(batches.num_padded_tokens(part, self._lengths_N) for part in micro_batches)
        numbers = (len(rows), int(lengths.sum()), padded, int((lengths**2).sum()))
        return dict(zip(COUNTS, numbers, strict=True))

    def _count_features(self) -> int:
        """Features of the whole run; one seen in two epochs counts twice."""
        whole, rest = divmod(self.total_steps, max(self.steps_per_epoch, 1))
        partial = range(self.total_steps - rest, self.total_steps)
        return whole * len(self._lengths_N) + sum(len(self.rows(number)) for number in partial)


def _seed(*numbers: int) -> int:
    """A seed for torch from several numbers, well mixed; the same in every release of numpy (NEP 19)."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))

"""Batches: each feature once per epoch, the same for the same seed, well mixed, little padding, nothing lost."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spanline.model import batches
from spanline.storage.features import Features
from tests.make.features import PAD, make_features


def squad_like_lengths(count: int) -> np.ndarray:
    """Tokens a feature as in SQuAD v2 at 384: around 160, a long right tail, cut at the limit."""
    return np.clip(np.random.default_rng(1).lognormal(np.log(155), 0.38, count), 30, 384).astype(np.int64)


lengths_lists = st.lists(st.integers(1, 50), min_size=1, max_size=300)


@given(lengths_lists, st.integers(1, 40), st.integers(0, 9), st.integers(0, 3))
def test_every_feature_exactly_once_an_epoch(lengths: list[int], batch_size: int, seed: int, number: int) -> None:
    plan = batches.epoch(np.array(lengths), batch_size, seed, number)
    assert len(plan) == batches.num_steps(len(lengths), batch_size)
    assert sorted(plan.values) == list(range(len(lengths)))
    assert plan.lengths.max() <= batch_size
    assert plan.lengths.max() - plan.lengths.min() <= 1


def test_the_order_is_a_function_of_seed_epoch_and_lengths() -> None:
    lengths = squad_like_lengths(1000)
    first = batches.epoch(lengths, 16, 7, 0).values
    assert (first == batches.epoch(lengths.copy(), 16, 7, 0).values).all()
    for seed, number in ((8, 0), (7, 1)):
        assert (first == batches.epoch(lengths, 16, seed, number).values).mean() < 0.05


def test_the_order_is_the_same_in_every_release_of_numpy() -> None:
    assert batches.epoch(np.array([5, 3, 9, 3, 7, 1, 8]), 3, 17, 0).values.tolist() == [3, 0, 5, 1, 4, 6, 2]


@pytest.mark.parametrize("batch_size", [8, 12, 16, 32, 48, 64])
def test_padding_is_under_five_percent(batch_size: int) -> None:
    lengths = squad_like_lengths(20_000)
    plan = batches.epoch(lengths, batch_size, 17, 0)
    padded = sum(batches.num_padded_tokens(plan[step], lengths) for step in range(len(plan)))
    assert 1 - lengths.sum() / padded < 0.05


@pytest.mark.parametrize("batch_size", [8, 64])
def test_length_does_not_drift_over_an_epoch(batch_size: int) -> None:
    lengths = squad_like_lengths(40_000)
    plan = batches.epoch(lengths, batch_size, 17, 0)
    mean = np.array([lengths[plan[step]].mean() for step in range(len(plan))])
    parts = np.array([part.mean() for part in np.array_split(mean, 5)])
    assert np.abs(parts / mean.mean() - 1).max() < 0.08
    assert abs(np.corrcoef(np.arange(len(mean)), mean)[0, 1]) < 4 / np.sqrt(len(mean))
    assert abs(np.corrcoef(mean[:-1], mean[1:])[0, 1]) < 4 / np.sqrt(len(mean))  # nor from one batch to the next


def test_neighbours_of_the_file_are_spread_over_the_epoch() -> None:
    plan = batches.epoch(squad_like_lengths(8000), 16, 17, 0)
    step_of = np.empty(8000, dtype=int)
    step_of[plan.values] = np.repeat(np.arange(len(plan)), plan.lengths)
    distance = np.abs(np.diff(step_of)) / len(plan)
    assert distance.mean() == pytest.approx(1 / 3, abs=0.02)  # as of two independent uniform draws


def test_collation_keeps_every_token_and_marks_what_an_answer_may_be() -> None:
    data = make_features([9, 14, 11])
    rows = np.array([2, 1])
    batch = batches.collate(data, rows, pad_token_id=PAD + 60)
    assert batch.input_ids_BT.shape == (2, 14)
    assert batch.attention_mask_BT is not None
    for place, row in enumerate(rows):
        length = data.lengths[row]
        assert batch.input_ids_BT[place, :length].tolist() == data.input_ids[row].tolist()
        assert batch.token_type_ids_BT[place, :length].tolist() == data.token_type_ids[row].tolist()
        assert (batch.input_ids_BT[place, length:] == 60).all()
        assert batch.attention_mask_BT[place].tolist() == [position < length for position in range(14)]
        allowed = [0, *range(data.context_start[row], length - 1)]
        assert batch.allowed_BT[place].nonzero().flatten().tolist() == allowed
    assert batch.start_B.tolist() == data.start_position[rows].tolist()
    assert batch.end_B.tolist() == data.end_position[rows].tolist()


def test_no_mask_when_nothing_is_padded() -> None:
    assert batches.collate(make_features([9, 9]), np.arange(2), PAD).attention_mask_BT is None


def test_a_null_position_at_the_end_is_allowed() -> None:
    data = make_features([9, 12])
    last = Features(**{**vars(data), "null_position": (data.lengths - 1).astype(np.uint16)})
    allowed = batches.collate(last, np.arange(2), PAD).allowed_BT
    assert allowed[torch.arange(2), torch.tensor([8, 11])].all()
    assert not allowed[:, 0].any()


@given(lengths_lists, st.integers(1, 200))
def test_token_limit_holds_and_nothing_is_lost(lengths: list[int], limit: int) -> None:
    lengths_N = np.array(lengths)
    cut = batches.within_token_limit(lengths_N, limit)
    assert sorted(np.concatenate(cut)) == list(range(len(lengths)))
    assert all(batches.num_padded_tokens(rows, lengths_N) <= limit or len(rows) == 1 for rows in cut)


def test_no_features_are_no_batches() -> None:
    assert batches.within_token_limit(np.zeros(0, dtype=np.int64), 100) == []


def test_ahead_keeps_the_order_and_is_one_item_ahead() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(5):
            taken.append(number)
            yield number

    made = batches.ahead(lambda number: number * number, items())
    assert next(made) == 0
    assert taken == [0, 1]
    assert list(made) == [1, 4, 9, 16]
    assert list(batches.ahead(str, [])) == []


def test_ahead_raises_what_the_thread_raised() -> None:
    made = batches.ahead(lambda number: 1 // number, [1, 0, 1])
    assert next(made) == 1
    with pytest.raises(ZeroDivisionError):
        next(made)

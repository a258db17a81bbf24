"""The loop learns, counts as it says, resumes to the bit, and refuses what is not finite before a weight moves."""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spanline import batches, features, model, scratch, training
from spanline.errors import SpanlineError
from spanline.features import Features
from spanline.runtime import Runtime
from tests.unit.test_batches import VOCABULARY, make_features, write_features
from tests.unit.test_model import logits_of, make_checkpoint

CPU = torch.device("cpu")
QUIET = Runtime(workers=1, device="cpu", progress_every_s=1e9, checkpoint_every_min=1e9)
ALWAYS_SAVING = Runtime(workers=1, device="cpu", progress_every_s=1e9, checkpoint_every_min=1e-9)
PARAMS: dict[str, Any] = {
    "seed": 17,
    "epochs": 2,
    "batch_size": 4,
    "micro_batch_size": 4,
    "learning_rate": 1e-3,
    "warmup_fraction": 0.1,
    "schedule": "linear",
    "weight_decay": 0.01,
    "max_grad_norm": 1.0,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_eps": 1e-8,
    "dropout": 0.1,
    "precision": "float32",
    "deterministic": True,
    "num_threads": 1,
}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Models this small only get slower with more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def params(**changes: Any) -> training.TrainParams:
    return training.TrainParams(**{**PARAMS, **changes})


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("checkpoint"))


def lengths(count: int) -> list[int]:
    return np.random.default_rng(5).integers(8, 31, count).tolist()


def train(
    checkpoint: Path, data: Features, p: training.TrainParams, points: Path, runtime: Runtime = QUIET
) -> tuple[model.SpanModel, training.Report]:
    spans = model.pretrained(checkpoint, p.seed, p.dropout)
    return spans, training.fit(spans, data, p, runtime, CPU, points)


def weights(spans: model.SpanModel) -> bytes:
    return b"".join(tensor.numpy().tobytes() for tensor in spans.state_dict().values())


def test_overfits_eight_features_to_the_right_spans(checkpoint: Path, tmp_path: Path) -> None:
    data = make_features(lengths(8), seed=2)
    p = params(epochs=80, batch_size=8, micro_batch_size=8, learning_rate=2e-2, dropout=0.0)
    spans, report = train(checkpoint, data, p, tmp_path)
    batch = batches.collate(data, np.arange(8), spans.pad_token_id)
    start_BT, end_BT = logits_of(spans, batch).masked_fill(~batch.allowed_BT, -math.inf)
    assert start_BT.argmax(1).tolist() == data.start_position.tolist()
    assert end_BT.argmax(1).tolist() == data.end_position.tolist()
    assert report.history[0]["loss"] > 1 > 0.1 > report.history[-1]["loss"]


def test_the_first_loss_is_that_of_an_untrained_head(checkpoint: Path, tmp_path: Path) -> None:
    data = make_features(lengths(4), seed=2)
    _, report = train(checkpoint, data, params(epochs=1, dropout=0.0), tmp_path)
    allowed = batches.collate(data, np.arange(4), 0).allowed_BT.sum(1)
    assert report.history[0]["loss"] == pytest.approx(allowed.log().mean().item(), abs=0.1)  # all about equally likely


def test_accumulation_changes_only_the_rounding(checkpoint: Path, tmp_path: Path) -> None:
    data = make_features(lengths(22))
    results = []
    for micro_batch_size in (8, 3, 1):
        # a large epsilon: where the exact gradient is 0, Adam would blow its rounding up to a whole step
        p = params(batch_size=8, micro_batch_size=micro_batch_size, dropout=0.0, adam_eps=1e-3)
        spans, report = train(checkpoint, data, p, tmp_path)
        results.append((spans.state_dict(), [(row["loss"], row["grad_norm"]) for row in report.history]))
    for state, history in results[1:]:
        torch.testing.assert_close(state, results[0][0], atol=2e-5, rtol=1e-4)
        np.testing.assert_allclose(history, results[0][1], rtol=1e-4)


def test_two_runs_give_the_same_bytes_and_another_seed_others(checkpoint: Path, tmp_path: Path) -> None:
    data = make_features(lengths(11))
    first, second, other = (weights(train(checkpoint, data, params(seed=s), tmp_path)[0]) for s in (1, 1, 2))
    assert first == second
    assert first != other


class Killed(Exception):
    """Stands for a power cut between two steps."""


@pytest.fixture(scope="module")
def straight(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[model.SpanModel, training.Report]:
    return train(checkpoint, make_features(lengths(22)), params(), tmp_path_factory.mktemp("never"))


@pytest.mark.parametrize("dead_after", [1, 5, 6, 9])
def test_resumed_equals_straight(
    dead_after: int,
    straight: tuple[model.SpanModel, training.Report],
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def save_then_die(folder: Path, step: int, state: dict[str, Any]) -> None:
        scratch_save(folder, step, state)
        if step == dead_after:
            raise Killed

    data, scratch_save = make_features(lengths(22)), scratch.save
    with monkeypatch.context() as patched:
        patched.setattr(scratch, "save", save_then_die)
        with pytest.raises(Killed):
            train(checkpoint, data, params(), tmp_path, ALWAYS_SAVING)
    torch.rand(3)  # whatever a new process does to the global generator
    resumed, report = train(checkpoint, data, params(), tmp_path)
    assert weights(resumed) == weights(straight[0])
    assert (report.result, report.history) == (straight[1].result, straight[1].history)
    assert report.timings["features"] < straight[1].timings["features"]


def test_a_signal_saves_says_how_to_go_on_and_exits(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    collate, calls = batches.collate, []

    def collate_then_stop(*args: Any) -> batches.Batch:
        calls.append(1)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGTERM)
        return collate(*args)

    monkeypatch.setattr(batches, "collate", collate_then_stop)
    with pytest.raises(SystemExit) as leaving:
        train(checkpoint, make_features(lengths(22)), params(), tmp_path)
    assert leaving.value.code == 143
    assert [path.name for path in tmp_path.iterdir()] == ["000000003.pt"]
    assert "stopped after step 3; run the same command again" in capsys.readouterr().err


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_non_finite_is_refused_before_a_weight_moves(
    where: str, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, p = make_features(lengths(22)), params()
    plan = training.Plan(data.lengths, p)
    spans = model.pretrained(checkpoint, p.seed, p.dropout)
    span_loss, calls, before = training.span_loss, [], []

    def spoilt(start_BT: torch.Tensor, end_BT: torch.Tensor, batch: batches.Batch) -> torch.Tensor:
        calls.append(1)
        loss = span_loss(start_BT, end_BT, batch)
        if len(calls) != 3:
            return loss
        before.append(weights(spans))
        return loss * math.nan if where == "loss" else _finite_with_infinite_gradient(loss)

    monkeypatch.setattr(training, "span_loss", spoilt)
    ids = ", ".join(str(data.ids[int(row)]) for row in plan.rows(2))
    with pytest.raises(SpanlineError, match=f"train, step 3: loss .*, gradient norm .* on the features of {ids};"):
        training.fit(spans, data, p, ALWAYS_SAVING, CPU, tmp_path)
    assert weights(spans) == before[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000001.pt", "000000002.pt"]  # the good ones


def _finite_with_infinite_gradient(loss: torch.Tensor) -> torch.Tensor:
    return loss + (loss - loss.detach()).sqrt()  # the slope of the root at 0


def test_a_host_that_looks_late_finds_the_weights_still_good() -> None:
    """As on a GPU: the barrier alone holds the later updates back."""
    parameter = torch.nn.Parameter(torch.ones(3, 3))
    adamw = training.adamw(parameter_module(parameter), 0.1, (0.9, 0.999), 1e-8, 0.0)
    barrier = training.Barrier(adamw, CPU)
    values = []
    for norm in (1.0, math.nan, 1.0):
        parameter.grad = torch.full((3, 3), norm)
        barrier.close_if_not_finite(torch.tensor(1.0), torch.tensor(norm))
        adamw.step()
        values.append(parameter.detach().clone())
    assert not torch.equal(values[0], torch.ones(3, 3))
    assert torch.equal(values[1], values[0])
    assert torch.equal(values[2], values[0])


def parameter_module(parameter: torch.nn.Parameter) -> torch.nn.Module:
    module = torch.nn.Module()
    module.weight = parameter
    return module


@pytest.mark.parametrize(("epochs", "steps", "count"), [(1, 6, 22), (0.5, 3, None), (2.5, 15, None), (0.01, 1, None)])
def test_plan_counts_what_is_done(
    epochs: float, steps: int, count: int | None, checkpoint: Path, tmp_path: Path
) -> None:
    data, p = make_features(lengths(22)), params(epochs=epochs)
    plan = training.Plan(data.lengths, p)
    assert plan.total_steps == steps
    _, report = train(checkpoint, data, p, tmp_path)
    assert report.result["features"] == plan.num_features == sum(len(plan.rows(step)) for step in range(steps))
    assert report.result["tokens"] == sum(int(data.lengths[plan.rows(step)].sum()) for step in range(steps))
    assert count in (None, plan.num_features)
    assert report.history[-1]["step"] == steps


def test_history_is_bounded_and_keeps_the_mean() -> None:
    plan = training.Plan(np.full(4000, 9), params(epochs=1.3))
    losses = torch.arange(plan.total_steps, dtype=torch.float32)
    rows = training._history(training.State(None, None, 0, losses, losses, {}), plan)  # type: ignore[arg-type]
    assert len(rows) <= training.MAX_HISTORY_ROWS
    assert rows[0]["step"] == plan.log_every == 3
    assert rows[0]["loss"] == 1.0
    assert rows[-1]["step"] == plan.total_steps
    assert rows[-1]["epoch"] == pytest.approx(1.3)


def test_csv() -> None:
    assert training.to_csv([{"step": 1, "loss": 0.5}, {"step": 2, "loss": 1e-5}]) == "step,loss\n1,0.5\n2,1e-05\n"


@pytest.mark.parametrize(
    ("column", "value"),
    [("start_position", 1), ("end_position", 1), ("end_position", 30), ("start_position", 29), ("end_position", 0)],
)
def test_a_label_outside_its_context_is_refused(column: str, value: int, tmp_path: Path) -> None:
    data = make_features([20, 20, 20], seed=3)
    row = int(np.flatnonzero(data.start_position > 0)[0])
    getattr(data, column)[row] = value
    (tmp_path / "tokenizer.json").write_text("{}")
    write_features(data, tmp_path / "features", tmp_path / "tokenizer.json")
    with pytest.raises(SpanlineError, match=f"question q{row}, feature 0: has a label outside its context; make"):
        training.read_features(features.manifest(tmp_path / "features"), VOCABULARY)


def test_a_token_beyond_the_vocabulary_is_refused(tmp_path: Path) -> None:
    data = make_features([20, 20, 20])
    data.input_ids[1][7] = VOCABULARY
    (tmp_path / "tokenizer.json").write_text("{}")
    write_features(data, tmp_path / "features", tmp_path / "tokenizer.json")
    with pytest.raises(SpanlineError, match="question q1, feature 0: has a token beyond the model's vocabulary of 64"):
        training.read_features(features.manifest(tmp_path / "features"), VOCABULARY)


def test_no_features_are_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    write_features(make_features([]), tmp_path / "features", tmp_path / "tokenizer.json")
    with pytest.raises(SpanlineError, match="holds no features"):
        training.read_features(features.manifest(tmp_path / "features"), VOCABULARY)

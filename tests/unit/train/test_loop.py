"""The loop learns, counts as it says, resumes to the bit, and refuses what is not finite before a weight moves."""

from __future__ import annotations

import math
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spanline.common.errors import SpanlineError
from spanline.model import batches, resume, span_model
from spanline.model.distributed import ALONE
from spanline.model.span_model import SpanModel
from spanline.train import loop
from spanline.train.optimizer import adamw
from spanline.train.plan import Plan
from spanline.train.report import EPOCH_COLUMNS, Report
from spanline.train.run import fit
from tests.make.checkpoint import logits_of
from tests.make.features import make_features
from tests.make.fitting import ALWAYS_SAVING, CPU, lengths, params, train, weights


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
def straight(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[SpanModel, Report]:
    return train(checkpoint, make_features(lengths(22)), params(), tmp_path_factory.mktemp("never"))


@pytest.mark.parametrize("dead_after", [1, 5, 6, 9])
def test_resumed_equals_straight(
    dead_after: int,
    straight: tuple[span_model.SpanModel, Report],
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def save_then_die(folder: Path, step: int, state: dict[str, Any]) -> None:
        save(folder, step, state)
        if step == dead_after:
            raise Killed

    data, save = make_features(lengths(22)), resume.save
    with monkeypatch.context() as patched:
        patched.setattr(resume, "save", save_then_die)
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
    plan = Plan(data.lengths, p)
    spans = span_model.pretrained(checkpoint, p.seed, p.dropout)
    span_loss, calls, before = loop.span_loss, [], []

    def damaged(start_BT: torch.Tensor, end_BT: torch.Tensor, batch: batches.Batch) -> torch.Tensor:
        calls.append(1)
        loss = span_loss(start_BT, end_BT, batch)
        if len(calls) != 3:
            return loss
        before.append(weights(spans))
        return loss * math.nan if where == "loss" else _finite_with_infinite_gradient(loss)

    monkeypatch.setattr(loop, "span_loss", damaged)
    ids = ", ".join(str(data.ids[int(row)]) for row in plan.rows(2))
    with pytest.raises(SpanlineError, match=f"train, step 3: loss .*, gradient norm .* on the features of {ids};"):
        fit(spans, data, data.take(np.arange(0)), p, ALWAYS_SAVING, CPU, ALONE, tmp_path)
    assert weights(spans) == before[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000001.pt", "000000002.pt"]  # the good ones


def _finite_with_infinite_gradient(loss: torch.Tensor) -> torch.Tensor:
    return loss + (loss - loss.detach()).sqrt()  # the slope of the root at 0


def test_a_host_that_looks_late_finds_the_weights_still_good() -> None:
    """As on a GPU: the barrier alone holds the later updates back."""
    parameter = torch.nn.Parameter(torch.ones(3, 3))
    optimizer = adamw(parameter_module(parameter), 0.1, (0.9, 0.999), 1e-8, 0.0)
    barrier = loop.Barrier(optimizer, CPU)
    values = []
    for norm in (1.0, math.nan, 1.0):
        parameter.grad = torch.full((3, 3), norm)
        barrier.close_if_not_finite(torch.tensor(1.0), torch.tensor(norm))
        optimizer.step()
        values.append(parameter.detach().clone())
    assert not torch.equal(values[0], torch.ones(3, 3))
    assert torch.equal(values[1], values[0])
    assert torch.equal(values[2], values[0])


def parameter_module(parameter: torch.nn.Parameter) -> torch.nn.Module:
    module = torch.nn.Module()
    module.weight = parameter
    return module


def test_each_epoch_is_looked_at_on_calibration(checkpoint: Path, tmp_path: Path) -> None:
    data = make_features(lengths(10))
    _, report = train(checkpoint, data, params(epochs=2.5), tmp_path, calibration=4)
    assert [(row["epoch"], row["step"]) for row in report.epochs] == [(1.0, 3), (2.0, 6), (2.6667, 8)]
    assert set(report.epochs[0]) == set(EPOCH_COLUMNS)
    assert report.result["kept_epoch"] == 2.6667
    assert report.result["calibration_loss"] == report.epochs[-1]["calibration_loss"]


def test_looking_changes_no_weight(checkpoint: Path, tmp_path: Path) -> None:
    data = make_features(lengths(10))
    runs = [train(checkpoint, data, params(), tmp_path / str(count), calibration=count) for count in (0, 4)]
    assert weights(runs[0][0]) == weights(runs[1][0])
    assert runs[0][1].epochs == []


def test_the_best_epoch_is_kept_also_over_a_stop(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scores are made up: the second of four epochs is the best. The weights are those of a run that ends there."""
    data, scores = make_features(lengths(8)), iter([0.2, 0.9, 0.5, 0.9])

    def look(*_: Any) -> dict[str, float]:
        return {"loss": 1.0, "start_accuracy": 0.5, "end_accuracy": 0.5, "token_f1": next(scores)}

    monkeypatch.setattr(loop, "evaluate", look)
    p = params(epochs=4, keep="best", warmup_fraction=0.0, learning_rate=1e-3)
    seen: list[bytes] = []
    look_at = loop._look_at_calibration

    def noted(work: loop.Work) -> None:
        look_at(work)
        seen.append(weights(work.state.model))
        if len(seen) == 3:
            resume.save(tmp_path / "points", work.state.step, work.state.saved())
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "_look_at_calibration", noted)
    with pytest.raises(KeyboardInterrupt):
        train(checkpoint, data, p, tmp_path / "points", calibration=2)
    spans, report = train(checkpoint, data, p, tmp_path / "points", calibration=2)
    assert weights(spans) == seen[1]
    assert len(set(seen)) == 4
    assert (report.result["kept_epoch"], report.result["calibration_token_f1"]) == (2.0, 0.9)


def test_gradients_are_clipped_to_their_norm(checkpoint: Path, tmp_path: Path) -> None:
    """Against a step by hand. With a large epsilon Adam moves a weight about in proportion to its gradient: a gradient
    that was not clipped would show."""
    data = make_features(lengths(8))
    changes = {"batch_size": 8, "micro_batch_size": 8, "epochs": 1, "dropout": 0.0, "weight_decay": 0.0}
    p = params(**changes, max_grad_norm=0.01, adam_eps=1.0, learning_rate=10.0, warmup_fraction=0.0)
    trained, report = train(checkpoint, data, p, tmp_path)
    model = span_model.pretrained(checkpoint, p.seed, p.dropout)
    batch = batches.collate(data, Plan(data.lengths, p).rows(0), model.pad_token_id)
    (span_model.span_loss(*model(batch), batch) / 8).backward()
    norm = math.sqrt(sum(float(q.grad.double().square().sum()) for q in model.parameters() if q.grad is not None))
    assert norm > 10 * p.max_grad_norm
    assert report.history[0]["grad_norm"] == pytest.approx(norm, rel=1e-5)
    moved = dict(trained.named_parameters())
    for name, parameter in model.named_parameters():
        gradient = parameter.grad * (p.max_grad_norm / norm)
        expected = parameter.detach() - p.learning_rate * gradient / (gradient.abs() + p.adam_eps)
        torch.testing.assert_close(moved[name].detach(), expected, atol=2e-6, rtol=0)


def test_layer_decay_slows_the_lower_layers(checkpoint: Path, tmp_path: Path) -> None:
    """One step of Adam moves a weight by its rate, whatever its gradient: embeddings least, the head most."""
    p = params(epochs=1, batch_size=8, micro_batch_size=8, layer_lr_decay=0.5, weight_decay=0.0, dropout=0.0)
    before = dict(span_model.pretrained(checkpoint, p.seed, 0.0).named_parameters())
    after = dict(train(checkpoint, make_features(lengths(8)), p, tmp_path)[0].named_parameters())
    moved = {name: float((after[name] - before[name]).detach().abs().max()) for name in after}
    layers = [max(m for n, m in moved.items() if f".layer.{number}." in n) for number in range(2)]
    embeddings = max(m for n, m in moved.items() if "embeddings" in n)
    assert [embeddings, *layers, moved["head.weight"]] == pytest.approx([1.25e-4, 2.5e-4, 5e-4, 1e-3], rel=0.02)

"""What the train stage refuses, in one line that says where; how its model is prepared changes no result."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spanline.common.errors import SpanlineError
from spanline.model import batches, span_model
from spanline.model.distributed import ALONE
from spanline.storage import features
from spanline.train import attention, loop
from spanline.train.run import fit, kept_head, read_features
from tests.make.checkpoint import make_stock
from tests.make.features import VOCABULARY, make_features, write_features
from tests.make.fitting import CPU, QUIET, lengths, params, train, weights


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
        read_features(features.manifest(tmp_path / "features"), VOCABULARY)


def test_a_token_beyond_the_vocabulary_is_refused(tmp_path: Path) -> None:
    data = make_features([20, 20, 20])
    data.input_ids[1][7] = VOCABULARY
    (tmp_path / "tokenizer.json").write_text("{}")
    write_features(data, tmp_path / "features", tmp_path / "tokenizer.json")
    with pytest.raises(SpanlineError, match="question q1, feature 0: has a token beyond the model's vocabulary of 64"):
        read_features(features.manifest(tmp_path / "features"), VOCABULARY)


def test_no_features_are_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    write_features(make_features([]), tmp_path / "features", tmp_path / "tokenizer.json")
    with pytest.raises(SpanlineError, match="holds no features"):
        read_features(features.manifest(tmp_path / "features"), VOCABULARY)


@pytest.mark.parametrize(
    ("checkpoint_has", "head", "epochs", "kept"),
    [(True, "auto", 1, True), (True, "kept", 0, True), (True, "new", 1, False), (False, "auto", 1, False)],
)
def test_the_head_is_kept_where_there_is_one(
    checkpoint_has: bool, head: str, epochs: float, kept: bool, checkpoint: Path, tmp_path: Path
) -> None:
    folder = make_stock(tmp_path, "bert") if checkpoint_has else checkpoint
    name = kept_head(params(head=head, epochs=epochs), folder / "model.safetensors")
    assert name == ("qa_outputs" if kept else None)


@pytest.mark.parametrize(
    ("checkpoint_has", "head", "epochs", "message"),
    [
        (False, "kept", 1, "model.safetensors holds no span head of one linear layer, and train.head is kept; choose"),
        (False, "auto", 0, "model.safetensors holds no span head of one linear layer, and train.epochs is 0; choose"),
        (True, "new", 0, "params.yaml: train.head is new, and train.epochs is 0; choose"),
    ],
)
def test_a_head_that_nobody_trained_is_no_model(
    checkpoint_has: bool, head: str, epochs: float, message: str, checkpoint: Path, tmp_path: Path
) -> None:
    folder = make_stock(tmp_path, "bert") if checkpoint_has else checkpoint
    with pytest.raises(SpanlineError, match=message):
        kept_head(params(head=head, epochs=epochs), folder / "model.safetensors")


def test_training_goes_on_from_the_kept_head(tmp_path: Path) -> None:
    """Its first loss is that of the checkpoint's model, not of a new head's."""
    folder, data = make_stock(tmp_path / "stock", "bert"), make_features(lengths(8))
    p = params(batch_size=8, epochs=1, dropout=0.0)
    spans = span_model.pretrained(folder, p.seed, p.dropout, "qa_outputs")
    batch = batches.collate(data, np.arange(8), spans.pad_token_id)
    with torch.no_grad():
        expected = span_model.span_loss(*span_model.load(folder)(batch), batch).item() / 8
    found = fit(spans, data, data.take(np.arange(0)), p, QUIET, CPU, ALONE, tmp_path / "points")
    assert found.history[0]["loss"] == pytest.approx(expected, rel=1e-4)


def test_the_best_of_no_calibration_is_one_line(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(SpanlineError) as caught:
        train(checkpoint, make_features(lengths(8)), params(keep="best"), tmp_path)
    what = "train.keep is 'best', but there is no calibration split (download.calibration_fraction is 0)"
    assert str(caught.value) == f"params.yaml: {what}; set it to last"


@pytest.mark.parametrize(("precision", "dropout"), [("float32", 0.1), ("bfloat16", 0.0), ("bfloat16", 0.1)])
def test_gradient_checkpointing_changes_no_result(
    precision: str, dropout: float, checkpoint: Path, tmp_path: Path
) -> None:
    """Dropout included: what is computed again draws the same masks."""
    data, same = make_features(lengths(10)), {"precision": precision, "dropout": dropout}
    kept, again = (
        train(checkpoint, data, params(gradient_checkpointing=value, **same), tmp_path / str(value))
        for value in (False, True)
    )
    assert weights(kept[0]) == weights(again[0])
    assert kept[1].history == again[1].history


@pytest.mark.parametrize(("precision", "expected"), [("float32", "sdpa"), ("bfloat16", attention.NAME)])
def test_a_cpu_has_its_own_attention_for_bfloat16(
    precision: str, expected: str, checkpoint: Path, tmp_path: Path
) -> None:
    spans, _ = train(checkpoint, make_features(lengths(8)), params(precision=precision), tmp_path)
    assert spans.encoder.config._attn_implementation == expected


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_is_the_same_but_for_rounding(checkpoint: Path, tmp_path: Path) -> None:
    data = make_features(lengths(8))
    plain, compiled = (
        train(checkpoint, data, params(dropout=0.0, compile=value), tmp_path / str(value))[1].history
        for value in (False, True)
    )
    for name in ("loss", "grad_norm"):
        assert [row[name] for row in compiled] == pytest.approx([row[name] for row in plain], rel=1e-3)


def test_out_of_memory_says_what_to_lower(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried")

    monkeypatch.setattr(loop, "span_loss", fail)
    with pytest.raises(SpanlineError) as caught:
        train(checkpoint, make_features(lengths(8)), params(), tmp_path)
    todo = "set train.micro_batch_size below 4, or train.gradient_checkpointing: true"
    assert str(caught.value) == f"train: out of memory on cpu in step 1; {todo}"

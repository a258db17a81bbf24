"""A question-answering checkpoint that transformers' own classes saved keeps its head, and gives their logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from spanline.common.errors import SpanlineError
from spanline.model import batches, head, span_model
from tests.make.checkpoint import STOCK, logits_of, make_stock
from tests.make.features import make_features

LINEAR = [*STOCK, "xlnet", "xlm-roberta", "mobilebert", "rembert", "roformer", "squeezebert", "gpt2", "llama"]


@pytest.mark.parametrize("family", LINEAR)
def test_a_checkpoint_of_transformers_gives_transformers_logits(family: str, tmp_path: Path) -> None:
    from transformers import AutoModelForQuestionAnswering

    make_stock(tmp_path, family)
    stock = AutoModelForQuestionAnswering.from_pretrained(tmp_path)
    assert head.find(tmp_path / "model.safetensors") == "qa_outputs"
    kept = span_model.pretrained(tmp_path, seed=1, dropout=None, head="qa_outputs")
    batch = batches.collate(make_features([9, 14, 30]), np.arange(3), kept.pad_token_id)
    for spans in (kept, span_model.load(tmp_path)):
        assert_same_logits(spans, stock, batch)


def assert_same_logits(spans: span_model.SpanModel, stock: Any, batch: batches.Batch) -> None:
    filled = batch.attention_mask_BT
    inputs = {"input_ids": batch.input_ids_BT, "attention_mask": filled.long()}
    if spans.takes_types:
        inputs["token_type_ids"] = batch.token_type_ids_BT
    with torch.inference_mode():
        theirs = stock.eval()(**inputs)
    ours = logits_of(spans, batch)
    torch.testing.assert_close(ours[0][filled], theirs.start_logits[filled], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours[1][filled], theirs.end_logits[filled], atol=1e-5, rtol=1e-5)


def test_types_tell_question_and_context_apart_in_xlnet(tmp_path: Path) -> None:
    """Its config has no type_vocab_size, for it looks only at whether two tokens have the same type."""
    assert span_model.load(make_stock(tmp_path, "xlnet")).takes_types


@pytest.mark.parametrize("family", ["modernbert", "splinter"])
def test_a_head_of_several_layers_is_none_that_we_keep(family: str, tmp_path: Path) -> None:
    make_stock(tmp_path, family)
    assert head.find(tmp_path / "model.safetensors") is None
    with pytest.raises(SpanlineError, match="holds no span head"):
        span_model.load(tmp_path)


def test_a_head_of_three_labels_is_no_span_head(tmp_path: Path) -> None:
    save_file({"qa_outputs.weight": torch.zeros(3, 4), "qa_outputs.bias": torch.zeros(3)}, tmp_path / "weights")
    assert head.find(tmp_path / "weights") is None


def test_a_broken_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"broken")
    with pytest.raises(SpanlineError, match=r"weights: can't be read \(.*\); make or fetch it anew"):
        head.find(tmp_path / "weights")

"""The light encoder gives the logits of transformers' own, and leaves to it every model that it is not made for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from spanline.ask import fast_bert
from spanline.model import batches, span_model
from tests.make.answering import make_model
from tests.make.checkpoint import FAMILIES, logits_of, make_checkpoint
from tests.make.features import make_features


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A BERT of 40 positions with a span head."""
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    (tmp_path / "model").mkdir()
    span_model.save(span_model.pretrained(checkpoint, 1, None), checkpoint, tmp_path / "model")
    return tmp_path / "model"


def light_model(folder: Path) -> span_model.SpanModel:
    spans = fast_bert.load(folder)
    assert spans is not None
    return spans


@pytest.mark.parametrize("lengths", [[12, 12, 12], [30, 9, 22, 17], [40]])
def test_logits_are_those_of_transformers(folder: Path, lengths: list[int]) -> None:
    batch = batches.collate(make_features(lengths), np.arange(len(lengths)), 0)
    ours, theirs = (logits_of(spans, batch) for spans in (light_model(folder), span_model.load(folder)))
    filled = torch.ones_like(batch.allowed_BT) if batch.attention_mask_BT is None else batch.attention_mask_BT
    assert theirs.std() > 0.01  # else any logits would do
    torch.testing.assert_close(ours[:, filled], theirs[:, filled], atol=1e-6, rtol=0)


def test_logits_are_those_of_transformers_on_another_size(tiny_encoder: Path, tmp_path: Path) -> None:
    folder = make_model(tiny_encoder, tmp_path / "model")
    batch = batches.collate(make_features([20, 33]), np.arange(2), 0)
    ours, theirs = (logits_of(spans, batch) for spans in (light_model(folder), span_model.load(folder)))
    torch.testing.assert_close(ours[:, 1], theirs[:, 1], atol=1e-5, rtol=0)


def test_the_longest_feature_is_known_as_for_transformers(folder: Path) -> None:
    assert span_model.max_positions(light_model(folder)) == span_model.max_positions(span_model.load(folder)) == 40


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "bert"])
def test_other_families_are_left_to_transformers(family: str, tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", family)
    (tmp_path / "model").mkdir()
    span_model.save(span_model.pretrained(checkpoint, 1, None), checkpoint, tmp_path / "model")
    assert fast_bert.load(tmp_path / "model") is None


@pytest.mark.parametrize(
    "change", [{"hidden_act": "relu"}, {"is_decoder": True}, {"hidden_size": 8}, {"layer_norm_eps": None}]
)
def test_a_config_that_asks_for_more_is_left_to_transformers(folder: Path, change: dict[str, object]) -> None:
    config = json.loads((folder / "config.json").read_text())
    config |= change
    (folder / "config.json").write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    assert fast_bert.load(folder) is None


def test_without_a_head_or_a_folder_the_other_loader_says_what_is_wrong(folder: Path, tmp_path: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file({name: part for name, part in weights.items() if "qa_outputs" not in name}, folder / "model.safetensors")
    assert fast_bert.load(folder) is None
    assert fast_bert.load(tmp_path / "nowhere") is None

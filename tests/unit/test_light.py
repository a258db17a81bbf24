"""The light encoder gives the logits of transformers' own, and leaves to it every model that it is not made for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from spanline import batches, light, model
from tests.answering import make_model
from tests.unit.test_batches import make_features
from tests.unit.test_model import FAMILIES, logits_of, make_checkpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A BERT of 40 positions with a span head."""
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    (tmp_path / "model").mkdir()
    model.save(model.pretrained(checkpoint, 1, None), checkpoint, tmp_path / "model")
    return tmp_path / "model"


def light_model(folder: Path) -> model.SpanModel:
    spans = light.load(folder)
    assert spans is not None
    return spans


@pytest.mark.parametrize("lengths", [[12, 12, 12], [30, 9, 22, 17], [40]])
def test_logits_are_those_of_transformers(folder: Path, lengths: list[int]) -> None:
    batch = batches.collate(make_features(lengths), np.arange(len(lengths)), 0)
    ours, theirs = (logits_of(spans, batch) for spans in (light_model(folder), model.load(folder)))
    filled = torch.ones_like(batch.allowed_BT) if batch.attention_mask_BT is None else batch.attention_mask_BT
    assert theirs.std() > 0.01  # else any logits would do
    torch.testing.assert_close(ours[:, filled], theirs[:, filled], atol=1e-6, rtol=0)


def test_logits_are_those_of_transformers_on_another_size(tiny_encoder: Path, tmp_path: Path) -> None:
    folder = make_model(tiny_encoder, tmp_path / "model")
    batch = batches.collate(make_features([20, 33]), np.arange(2), 0)
    ours, theirs = (logits_of(spans, batch) for spans in (light_model(folder), model.load(folder)))
    torch.testing.assert_close(ours[:, 1], theirs[:, 1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("lengths", [[12, 12, 12], [30, 9, 22, 17], [40]])
def test_packed_weights_give_the_same_logits(folder: Path, lengths: list[int]) -> None:
    batch = batches.collate(make_features(lengths), np.arange(len(lengths)), 0)
    packed = light_model(folder)
    before = logits_of(packed, batch)
    assert light.pack(packed, 512)
    assert not any(isinstance(layer.up, torch.nn.Linear) for layer in packed.encoder.layers)
    torch.testing.assert_close(logits_of(packed, batch), before, atol=1e-6, rtol=0)


class WithoutBfloat16:
    """oneDNN's operators on a processor that has no products of bfloat16."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch.ops.mkldnn, name)

    def _is_mkldnn_bf16_supported(self) -> bool:
        return False


def test_a_processor_without_bfloat16_packs_float32_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(light, "_onednn", WithoutBfloat16)
    spans = light_model(folder)
    assert not light.pack(spans, 512, torch.bfloat16)
    assert isinstance(spans.encoder.layers[0].up, torch.nn.Linear)
    assert light.pack(spans, 512, torch.float32)


@pytest.mark.parametrize("lengths", [[12, 12, 12], [30, 9, 22, 17]])
def test_packed_in_bfloat16_is_near(folder: Path, lengths: list[int]) -> None:
    batch = batches.collate(make_features(lengths), np.arange(len(lengths)), 0)
    packed = light_model(folder)
    before = logits_of(packed, batch)
    if not light.pack(packed, 512, torch.bfloat16):
        pytest.skip("this processor has no products of bfloat16")
    after = logits_of(packed, batch)
    assert after.dtype == torch.float32
    assert not torch.equal(after, before)
    torch.testing.assert_close(after, before, atol=0.02, rtol=0.02)


def test_without_the_operators_or_for_another_encoder_nothing_is_packed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not light.pack(model.load(folder), 512)
    spans = light_model(folder)
    monkeypatch.setattr(light, "_onednn", object)
    assert not light.pack(spans, 512)
    assert isinstance(spans.encoder.layers[0].up, torch.nn.Linear)


def test_the_longest_feature_is_known_as_for_transformers(folder: Path) -> None:
    assert model.max_positions(light_model(folder)) == model.max_positions(model.load(folder)) == 40


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "bert"])
def test_other_families_are_left_to_transformers(family: str, tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", family)
    (tmp_path / "model").mkdir()
    model.save(model.pretrained(checkpoint, 1, None), checkpoint, tmp_path / "model")
    assert light.load(tmp_path / "model") is None


@pytest.mark.parametrize(
    "change", [{"hidden_act": "relu"}, {"is_decoder": True}, {"hidden_size": 8}, {"layer_norm_eps": None}]
)
def test_a_config_that_asks_for_more_is_left_to_transformers(folder: Path, change: dict[str, object]) -> None:
    config = json.loads((folder / "config.json").read_text())
    config |= change
    (folder / "config.json").write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    assert light.load(folder) is None


def test_without_a_head_or_a_folder_the_other_loader_says_what_is_wrong(folder: Path, tmp_path: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file({name: part for name, part in weights.items() if "qa_outputs" not in name}, folder / "model.safetensors")
    assert light.load(folder) is None
    assert light.load(tmp_path / "nowhere") is None

"""The model gives the logits of transformers' own question-answering classes, for every family, from the same file."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from spanline.common.errors import SpanlineError
from spanline.model import batches, span_model
from spanline.storage import features
from tests.make.checkpoint import FAMILIES, STOCK, logits_of, make_checkpoint
from tests.make.features import PAD, make_features, write_features


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return make_checkpoint(tmp_path / "checkpoint")


@pytest.mark.parametrize("family", STOCK)
def test_saved_model_gives_the_same_logits_in_transformers(family: str, tmp_path: Path) -> None:
    from transformers import AutoModelForQuestionAnswering

    folder = make_checkpoint(tmp_path / "checkpoint", family)
    spans = span_model.pretrained(folder, seed=1, dropout=0.0)
    (tmp_path / "model").mkdir()
    assert span_model.save(spans, folder, tmp_path / "model")
    stock, report = AutoModelForQuestionAnswering.from_pretrained(tmp_path / "model", output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert stock.config.architectures == [type(stock).__name__]
    batch = batches.collate(make_features([9, 14, 30]), np.arange(3), spans.pad_token_id)
    inputs = {"input_ids": batch.input_ids_BT, "attention_mask": batch.attention_mask_BT}
    if spans.takes_types:
        inputs["token_type_ids"] = batch.token_type_ids_BT
    with torch.inference_mode():
        theirs = stock.eval()(**inputs)
    filled = batch.attention_mask_BT
    ours = logits_of(spans, batch)
    torch.testing.assert_close(ours[0][filled], theirs.start_logits[filled], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours[1][filled], theirs.end_logits[filled], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_loaded_model_gives_the_logits_of_the_saved_one(family: str, tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "checkpoint", family)
    spans = span_model.pretrained(folder, seed=1, dropout=0.0)
    (tmp_path / "model").mkdir()
    assert span_model.save(spans, folder, tmp_path / "model") == (family in STOCK)
    batch = batches.collate(make_features([9, 14, 30]), np.arange(3), spans.pad_token_id)
    assert torch.equal(logits_of(spans, batch), logits_of(span_model.load(tmp_path / "model"), batch))


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_changes_no_logit(family: str, tmp_path: Path) -> None:
    spans = span_model.pretrained(make_checkpoint(tmp_path, family), seed=1, dropout=0.0)
    data = make_features([9, 14, 30])
    together = logits_of(spans, batches.collate(data, np.arange(3), spans.pad_token_id))
    for row, length in enumerate(data.lengths):
        alone = logits_of(spans, batches.collate(data, np.array([row]), spans.pad_token_id))
        torch.testing.assert_close(together[:, row, :length], alone[:, 0], atol=1e-5, rtol=1e-5)


def test_types_are_given_where_the_encoder_has_them(tmp_path: Path) -> None:
    takes = {f: span_model.pretrained(make_checkpoint(tmp_path / f, f), 1, None).takes_types for f in FAMILIES}
    assert {family for family, known in takes.items() if known} == {"bert", "electra", "albert"}


def test_no_pooler_is_trained_or_saved(checkpoint: Path, tmp_path: Path) -> None:
    assert any("pooler" in name for name in load_file(checkpoint / "model.safetensors"))
    spans = span_model.pretrained(checkpoint, 1, None)
    assert not [name for name, _ in spans.named_parameters() if "pooler" in name]


def test_the_folder_holds_these_files_and_no_path(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    span_model.save(span_model.pretrained(checkpoint, 1, None), checkpoint, folder)
    names = {"config.json", "manifest.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in folder.iterdir()} == names
    assert not [path for path in folder.iterdir() if str(tmp_path).encode() in path.read_bytes()]
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1


def test_head_is_drawn_from_the_seed_alone(checkpoint: Path) -> None:
    def head(seed: int) -> torch.Tensor:
        torch.rand(seed)  # the global generator plays no part
        return span_model.pretrained(checkpoint, seed, None).head.weight

    assert torch.equal(head(1), head(1))
    assert not torch.equal(head(1), head(2))
    assert head(1).std().item() == pytest.approx(0.02, rel=0.5)


@pytest.mark.parametrize("family", FAMILIES)
def test_dropout_override_reaches_every_rate(family: str, tmp_path: Path) -> None:
    def rates(dropout: float | None) -> set[float]:
        spans = span_model.pretrained(tmp_path, 1, dropout)
        return {m.p for m in spans.modules() if type(m).__name__ in ("Dropout", "StableDropout")}

    make_checkpoint(tmp_path, family)
    assert rates(0.25) == {0.25}
    assert rates(0.0) == {0.0}
    assert rates(None) != {0.25}


def test_loss_is_cross_entropy_over_the_allowed_positions() -> None:
    data = make_features([9, 14, 11, 25], seed=4)
    batch = batches.collate(data, np.arange(4), PAD)
    start_BT, end_BT = torch.randn(2, 4, 25, dtype=torch.float64)
    expected = 0.0
    for row in range(4):
        null, first = 0, int(data.context_start[row])
        allowed = [null, *range(first, int(data.lengths[row]) - 1)]
        for logits, label in ((start_BT, data.start_position), (end_BT, data.end_position)):
            scores = [logits[row, position].item() for position in allowed]
            expected += np.log(np.exp(scores).sum()) - logits[row, int(label[row])].item()
    assert span_model.span_loss(start_BT, end_BT, batch).item() == pytest.approx(expected / 2, rel=1e-12)


def test_masked_positions_get_no_gradient() -> None:
    batch = batches.collate(make_features([9, 14]), np.arange(2), PAD)
    start_BT = torch.randn(2, 14, requires_grad=True)
    span_model.span_loss(start_BT, start_BT, batch).backward()
    assert start_BT.grad is not None
    assert (start_BT.grad[~batch.allowed_BT] == 0).all()
    assert (start_BT.grad[batch.allowed_BT] != 0).all()


def test_missing_file_is_one_line(checkpoint: Path) -> None:
    (checkpoint / "tokenizer.json").unlink()
    with pytest.raises(SpanlineError, match=r"tokenizer\.json: there is no such file; .*dvc repro checkpoint"):
        span_model.pretrained(checkpoint, 1, None)


def test_missing_weights_are_refused_not_drawn_at_random(checkpoint: Path) -> None:
    tensors = load_file(checkpoint / "model.safetensors")
    del tensors["encoder.layer.1.output.dense.weight"]
    save_file(tensors, checkpoint / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        SpanlineError, match=r"lacks 1 tensors of BertModel, .*encoder\.layer\.1\.output\.dense\.weight"
    ):
        span_model.pretrained(checkpoint, 1, None)


@pytest.mark.parametrize("content", ["{", '{"model_type": "no-such-family"}', '{"model_type": "t5"}'])
def test_unusable_config_is_one_line(checkpoint: Path, content: str) -> None:
    (checkpoint / "config.json").write_text(content)
    with pytest.raises(SpanlineError, match=r"config\.json: "):
        span_model.pretrained(checkpoint, 1, None)


def test_weights_of_another_shape_are_one_line(checkpoint: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps({**config, "intermediate_size": 32}))
    with pytest.raises(SpanlineError, match=r"model\.safetensors: does not load as BertModel"):
        span_model.pretrained(checkpoint, 1, None)


def test_truncated_weights_are_one_line(checkpoint: Path) -> None:
    weights = checkpoint / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(SpanlineError, match=r"model\.safetensors: does not load as BertModel"):
        span_model.pretrained(checkpoint, 1, None)


def test_features_of_another_tokenizer_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    write_features(make_features([9]), tmp_path / "features", checkpoint / "config.json")
    with pytest.raises(SpanlineError, match=r"features: was made with another tokenizer than .*tokenizer\.json; fix"):
        span_model.refuse_mismatch(
            span_model.pretrained(checkpoint, 1, None), checkpoint, features.manifest(tmp_path / "features"), "fix"
        )


@pytest.mark.parametrize(("family", "limit"), [("bert", 40), ("roberta", 40), ("mpnet", 40), ("deberta-v2", None)])
def test_features_longer_than_the_positions_are_refused(family: str, limit: int | None, tmp_path: Path) -> None:
    spans = span_model.pretrained(make_checkpoint(tmp_path, family), 1, None)
    assert span_model.max_positions(spans) == limit
    write_features(make_features([9]), tmp_path / "features", tmp_path / "tokenizer.json", max_length=41)
    manifest = features.manifest(tmp_path / "features")
    if limit is None:
        span_model.refuse_mismatch(spans, tmp_path, manifest, "")
    else:
        with pytest.raises(
            SpanlineError, match=r"up to 41 tokens, .* has 40 positions; set featurize\.max_length to 40"
        ):
            span_model.refuse_mismatch(spans, tmp_path, manifest, "")


def test_loading_is_quiet(checkpoint: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        span_model.pretrained(checkpoint, 1, None)
    assert capfd.readouterr() == ("", "")

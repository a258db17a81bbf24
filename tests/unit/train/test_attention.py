"""The CPU's bfloat16 attention is the textbook's formula, and every family trains with it as with torch's own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from spanline.model import batches, span_model
from spanline.model.device import arithmetic
from spanline.model.span_model import SpanModel
from spanline.train import attention
from tests.make.checkpoint import FAMILIES, make_checkpoint
from tests.make.features import make_features

B, H, T, D = 3, 2, 7, 4
OWN = ["deberta-v2", "mpnet"]  # families that compute attention in their own way
ENCODER = SimpleNamespace(is_causal=False)


def textbook(query: Tensor, key: Tensor, value: Tensor, seen_BT: Tensor | None, scale: float) -> Tensor:
    """(B, T, H, D), a row at a time: the mean of the values, weighted by exp of scale times the dot products."""
    mean = query.new_zeros(B, T, H, D)
    for b in range(B):
        for h in range(H):
            for t in range(T):
                seen = torch.ones(T, dtype=torch.bool) if seen_BT is None else seen_BT[b]
                weights = torch.exp(scale * (key[b, h][seen] @ query[b, h, t]))
                mean[b, t, h] = (weights / weights.sum()) @ value[b, h][seen]
    return mean


def parts(dtype: torch.dtype = torch.bfloat16) -> list[Tensor]:
    torch.manual_seed(5)
    return [torch.randn(B, H, T, D).to(dtype).requires_grad_() for _ in range(3)]


def gradients(mean: Tensor, of: list[Tensor]) -> list[Tensor]:
    torch.manual_seed(6)
    return list(torch.autograd.grad(mean, of, torch.randn(mean.shape).to(mean.dtype)))


@pytest.mark.parametrize("scaling", [None, 0.3])
@pytest.mark.parametrize("is_masked", [False, True])
def test_values_and_gradients_are_the_textbooks(is_masked: bool, scaling: float | None) -> None:
    seen_BT = torch.arange(T) < torch.tensor([[T], [4], [1]]) if is_masked else None
    mask = None if seen_BT is None else seen_BT[:, None, None, :]
    low = parts()
    exact = [part.detach().double().requires_grad_() for part in low]
    mean, _ = attention.attend(ENCODER, *low, mask, scaling=scaling)
    expected = textbook(*exact, seen_BT, D**-0.5 if scaling is None else scaling)
    torch.testing.assert_close(mean.double(), expected, atol=0.03, rtol=0.03)
    for ours, theirs in zip(gradients(mean, low), gradients(expected, exact), strict=True):
        torch.testing.assert_close(ours.double(), theirs, atol=0.06, rtol=0.03)


def test_a_row_that_sees_nothing_gives_numbers() -> None:
    low = parts()
    mean, _ = attention.attend(ENCODER, *low, torch.zeros(B, 1, 1, T, dtype=torch.bool))
    assert torch.isfinite(mean).all()
    assert all(torch.isfinite(gradient).all() for gradient in gradients(mean, low))


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("float32", {"dtype": torch.float32}),
        ("causal", {"is_causal": True}),
        ("added to the scores", {"mask": torch.linspace(-3, 0, T).bfloat16().expand(B, H, T, T)}),
        ("a bias of positions", {"position_bias": torch.linspace(-3, 0, T).bfloat16().expand(B, H, T, T)}),
        ("dropout", {"dropout": 0.5}),
    ],
)
def test_the_rest_is_left_to_torch(what: str, changes: dict[str, Any]) -> None:
    mask = changes.pop("mask", None)
    inputs = parts(changes.pop("dtype", torch.bfloat16))
    torch.manual_seed(7)
    ours, _ = attention.attend(ENCODER, *inputs, mask, **changes)
    torch.manual_seed(7)
    theirs, _ = sdpa_attention_forward(ENCODER, *inputs, mask, **changes)
    assert torch.equal(ours, theirs)


def step(spans: SpanModel, lengths: list[int]) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of a batch and the gradients of all weights, in bfloat16."""
    batch = batches.collate(make_features(lengths), np.arange(len(lengths)), spans.pad_token_id)
    with arithmetic(torch.device("cpu"), "bfloat16"):
        start_BT, end_BT = spans(batch)
    loss = span_model.span_loss(start_BT, end_BT, batch)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach(), {name: p.grad for name, p in spans.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("lengths", [[9, 14, 30], [12, 12]], ids=["padded", "of one length"])
@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in OWN])
def test_a_family_trains_with_it_as_with_torchs(family: str, lengths: list[int], tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path, family)
    usual, ours = (span_model.pretrained(folder, seed=1, dropout=0.0) for _ in range(2))
    assert attention.use(ours.encoder)
    (usual_loss, usual_grads), (loss, grads) = step(usual, lengths), step(ours, lengths)
    torch.testing.assert_close(loss, usual_loss, atol=0.1, rtol=0.02)
    for name, gradient in usual_grads.items():
        distance = torch.linalg.vector_norm(grads[name] - gradient)
        assert distance <= 0.1 * torch.linalg.vector_norm(gradient) + 0.02, name


@pytest.mark.parametrize("family", OWN)
def test_a_family_with_an_attention_of_its_own_keeps_it(family: str, tmp_path: Path) -> None:
    spans = span_model.pretrained(make_checkpoint(tmp_path, family), seed=1, dropout=0.0)
    assert not attention.use(spans.encoder)
    assert spans.encoder.config._attn_implementation == "eager"


def test_the_saved_model_says_nothing_of_it(tmp_path: Path) -> None:
    folders = []
    for name in ("usual", "ours"):
        spans = span_model.pretrained(make_checkpoint(tmp_path / "checkpoint"), seed=1, dropout=0.0)
        if name == "ours":
            attention.use(spans.encoder)
        folders.append(tmp_path / name)
        folders[-1].mkdir()
        span_model.save(spans, tmp_path / "checkpoint", folders[-1])
    usual, ours = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders)
    assert usual == ours

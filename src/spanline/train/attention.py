"""Attention for training in bfloat16 on a CPU: the same formula as torch's kernel, as products that oneDNN does fast.

The backward pass of torch's fused kernel (2.13) takes more than a third of a step there, at a fifteenth of the rate of
a matrix product; this takes a seventh. The price is memory: the weights of each layer, B x H x T x T bfloat16 numbers,
are kept for the backward pass. In float32 torch's kernel is the faster one, on a GPU far more so.

Legend: B features of a batch, H heads, T tokens, D width of a head.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "spanline_products"


def use(encoder: Any) -> bool:
    """Have the encoder train with it, and say whether that is so: some families have only an attention of their own."""
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    if encoder.config._attn_implementation != "sdpa" or encoder.config.model_type == "doge":  # its sdpa is its own
        return False
    encoder.set_attn_implementation(NAME)
    return bool(encoder.config._attn_implementation == NAME)


def attend(
    module: Any,
    query_BHTD: Tensor,
    key_BHTD: Tensor,
    value_BHTD: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """What transformers calls: (B, T, H, D) of the mean values. Whatever it does not do itself is left to sdpa."""
    is_plain = dropout == 0 and _is_plain(module, others) and query_BHTD.shape == key_BHTD.shape == value_BHTD.shape
    has_plain_mask = attention_mask is None or attention_mask.dtype == torch.bool
    if not (is_plain and has_plain_mask and query_BHTD.dtype == torch.bfloat16):
        mean_BTHD: Tensor = sdpa_attention_forward(
            module, query_BHTD, key_BHTD, value_BHTD, attention_mask, dropout=dropout, scaling=scaling, **others
        )[0]
        return mean_BTHD, None
    scale = query_BHTD.shape[-1] ** -0.5 if scaling is None else scaling
    with torch.autocast(query_BHTD.device.type, enabled=False):
        inputs = (query_BHTD, key_BHTD, value_BHTD, attention_mask, scale)
        mean_BHTD: Tensor = _Attention.apply(*inputs)  # type: ignore[no-untyped-call]
    return mean_BHTD.transpose(1, 2).contiguous(), None


def _is_plain(module: Any, others: dict[str, Any]) -> bool:
    """Every token sees every token that the mask shows, and nothing is added to the scores."""
    is_causal = others.get("is_causal")
    if getattr(module, "is_causal", True) if is_causal is None else is_causal:
        return False
    return all(others.get(name) is None for name in ("position_bias", "softcap", "cache", "s_aux"))


class _Attention(torch.autograd.Function):
    """softmax(scale Q K^T) V (Vaswani et al. 2017, eq. 1), its weights kept in the type of its inputs."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
        query = query * scale
        scores = query @ key.transpose(-1, -2)
        if mask is not None:
            scores.masked_fill_(~mask, torch.finfo(scores.dtype).min)  # a row that sees nothing: no NaN
        weights = scores.softmax(-1)
        ctx.save_for_backward(query, key, value, weights)
        ctx.scale = scale
        return weights @ value

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        (gradient,) = gradients
        query, key, value, weights = ctx.saved_tensors
        of_weights = gradient @ value.transpose(-1, -2)
        of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)
        of_query = (of_scores @ key) * ctx.scale
        of_key = of_scores.transpose(-1, -2) @ query  # already scaled
        return of_query, of_key, weights.transpose(-1, -2) @ gradient, None, None

"""BERT's encoder in plain torch, for commands that must start fast: `span_model.load` without importing transformers.

Of the five seconds that a command of one question took on one core, transformers' imports were more than three, torch's
one and a half. The weights and the layout on disk are the same, the logits equal those of `span_model.load` but for
rounding (tests/unit/ask/test_fast_bert.py), and everything around the encoder (head, batches, search) is the code that
is scored. The pipeline's stages always take transformers' encoder; other models than BERT do here as well.

Query, key and value are one matrix product of three times the width, which is the one liberty taken.

Legend: B features of a batch, T tokens, H width of the encoder, A attention heads, D = H / A.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import torch
from safetensors import safe_open
from torch import Tensor, nn

from spanline.common.files import is_number
from spanline.model.head import STOCK_HEAD
from spanline.model.span_model import SpanModel
from spanline.model_folder import CONFIG, WEIGHTS, read_config

_PREFIX = "bert."
_NEEDED = {  # what the code below does; a config that says otherwise is for transformers
    "model_type": "bert",
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
}


class _Linear(nn.Linear):
    """Without random weights: they are replaced at once, and drawing them would take longer than all the rest."""

    def reset_parameters(self) -> None:
        pass


class _Embedding(nn.Embedding):
    """nn.Embedding without random initialisation (see _Linear)."""

    def reset_parameters(self) -> None:
        pass


class BertEncoder(nn.Module):
    """Embeddings and layers; `config` has the fields of the folder's config.json."""

    def __init__(self, config: SimpleNamespace) -> None:
        super().__init__()
        self.config = config
        width, eps = config.hidden_size, config.layer_norm_eps
        self.word_embeddings = _Embedding(config.vocab_size, width)
        self.position_embeddings = _Embedding(config.max_position_embeddings, width)
        self.token_type_embeddings = _Embedding(config.type_vocab_size, width)
        self.norm = nn.LayerNorm(width, eps)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))

    def forward(
        self, input_ids: Tensor, token_type_ids: Tensor | None = None, attention_mask: Tensor | None = None
    ) -> SimpleNamespace:
        """`last_hidden_state`, (B, T, H), as transformers' encoders return it."""
        position_T = torch.arange(input_ids.shape[1], device=input_ids.device)
        types = torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        embedded_BTH = self.word_embeddings(input_ids) + self.token_type_embeddings(types)
        hidden_BTH = self.norm(embedded_BTH + self.position_embeddings(position_T))
        mask = None if attention_mask is None else attention_mask[:, None, None, :]
        for layer in self.layers:
            hidden_BTH = layer(hidden_BTH, mask)
        return SimpleNamespace(last_hidden_state=hidden_BTH)


class _Layer(nn.Module):
    """Attention and feed-forward, each added to its input and normalised after."""

    def __init__(self, config: SimpleNamespace) -> None:
        super().__init__()
        width, eps = config.hidden_size, config.layer_norm_eps
        self.num_heads = config.num_attention_heads
        self.query_key_value = _Linear(width, 3 * width)
        self.attended = _Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, eps)
        self.up = _Linear(width, config.intermediate_size)
        self.down = _Linear(config.intermediate_size, width)
        self.norm = nn.LayerNorm(width, eps)

    def forward(self, hidden_BTH: Tensor, mask: Tensor | None) -> Tensor:
        """(B, T, H) -> (B, T, H). `mask`: (B, 1, 1, T) bool, False on padding; None without padding."""
        size_BT = hidden_BTH.shape[:2]
        joined = self.query_key_value(hidden_BTH).view(*size_BT, 3, self.num_heads, -1)
        query_BATD, key_BATD, value_BATD = joined.permute(2, 0, 3, 1, 4)
        attended_BATD = nn.functional.scaled_dot_product_attention(query_BATD, key_BATD, value_BATD, attn_mask=mask)
        attended_BTH = attended_BATD.transpose(1, 2).reshape(hidden_BTH.shape)
        hidden_BTH = self.attention_norm(hidden_BTH + self.attended(attended_BTH))
        hidden_BTH = self.norm(hidden_BTH + self.down(nn.functional.gelu(self.up(hidden_BTH))))
        return hidden_BTH


def load(folder: Path) -> SpanModel | None:
    """The model of `folder` in evaluation mode; None where it is no BERT with a span head as
    `span_model.save` writes it."""
    config = _config(folder)
    if config is None:
        return None
    with torch.device("meta"):  # every tensor comes from the file
        spans = SpanModel(BertEncoder(config))
    with safe_open(folder / WEIGHTS, framework="pt") as file:
        names = set(file.keys())
        wanted = _names(config.num_hidden_layers)
        if not names >= {name for parts in wanted.values() for name in parts} or _more_layers(names, config):
            return None
        tensors = {own: torch.cat([file.get_tensor(name) for name in parts]) for own, parts in wanted.items()}
    current = spans.state_dict()
    if any(tensor.shape != current[own].shape for own, tensor in tensors.items()):
        return None
    spans.load_state_dict({own: tensor.float() for own, tensor in tensors.items()}, assign=True)
    return spans.eval()


def _config(folder: Path) -> SimpleNamespace | None:
    """The config, if it is one of those that the encoder above is for; what is wrong with a file is for
    `span_model.load` to say."""
    if not all((folder / name).is_file() for name in (CONFIG, WEIGHTS)):
        return None
    content = read_config(folder / CONFIG, "fix it")
    if content.get("model_type") != "bert":
        return None
    given = {name: content.get(name, needed) for name, needed in _NEEDED.items()}
    sizes = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    more = ("max_position_embeddings", "type_vocab_size", "layer_norm_eps")
    if given != _NEEDED or not all(content.get(name) for name in (*sizes, *more)):
        return None
    if not is_number(content["layer_norm_eps"]) or content["hidden_size"] % content["num_attention_heads"]:
        return None
    return SimpleNamespace(**{"pad_token_id": 0, **content})


def _more_layers(names: set[str], config: SimpleNamespace) -> bool:
    """Whether the file holds a layer that the config does not have."""
    return any(name.startswith(f"{_PREFIX}encoder.layer.{config.num_hidden_layers}.") for name in names)


def _names(num_layers: int) -> dict[str, list[str]]:
    """Name here -> names in the file, whose tensors follow one another in ours."""
    embeddings = f"{_PREFIX}embeddings"
    names: dict[str, list[str]] = {
        f"encoder.{table}.weight": [f"{embeddings}.{table}.weight"]
        for table in ("word_embeddings", "position_embeddings", "token_type_embeddings")
    }
    for kind in ("weight", "bias"):
        names[f"encoder.norm.{kind}"] = [f"{embeddings}.LayerNorm.{kind}"]
        names[f"head.{kind}"] = [f"{STOCK_HEAD}.{kind}"]
        for number in range(num_layers):
            theirs, ours = f"{_PREFIX}encoder.layer.{number}", f"encoder.layers.{number}"
            attention = [f"{theirs}.attention.self.{part}.{kind}" for part in ("query", "key", "value")]
            names[f"{ours}.query_key_value.{kind}"] = attention
            names[f"{ours}.attended.{kind}"] = [f"{theirs}.attention.output.dense.{kind}"]
            names[f"{ours}.attention_norm.{kind}"] = [f"{theirs}.attention.output.LayerNorm.{kind}"]
            names[f"{ours}.up.{kind}"] = [f"{theirs}.intermediate.dense.{kind}"]
            names[f"{ours}.down.{kind}"] = [f"{theirs}.output.dense.{kind}"]
            names[f"{ours}.norm.{kind}"] = [f"{theirs}.output.LayerNorm.{kind}"]
    return names

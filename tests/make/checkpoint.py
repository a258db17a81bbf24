"""Random encoders of every family, two layers each, as the checkpoint stage leaves one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from spanline.model import batches, span_model
from tests.make.features import PAD, VOCABULARY

SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 40,
    "pad_token_id": PAD,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": SIZES,
    "roberta": {**SIZES, "pad_token_id": 1, "max_position_embeddings": 42, "type_vocab_size": 1},
    "electra": {**SIZES, "embedding_size": 8},
    "distilbert": {"vocab_size": VOCABULARY, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24},
    "albert": {**SIZES, "embedding_size": 8},
    "deberta-v2": {
        **SIZES,
        "type_vocab_size": 0,
        "relative_attention": True,
        "position_buckets": 8,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_biased_input": False,
        "max_relative_positions": -1,
    },
    "mpnet": {**SIZES, "pad_token_id": 1, "max_position_embeddings": 42},
    "modernbert": {**SIZES, "cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1, "eos_token_id": 2},
}
STOCK = [family for family in FAMILIES if family != "modernbert"]


def make_checkpoint(folder: Path, family: str = "bert") -> Path:
    """A random encoder of the family as the checkpoint stage leaves one, the same each time."""
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(3)
    encoder = AutoModel.from_config(AutoConfig.for_model(family, **FAMILIES[family]))
    with torch.no_grad():
        for parameter in encoder.parameters():  # fresh ones are so small that a wrong position or type would not show
            parameter += torch.randn_like(parameter) * (0.3 if parameter.ndim > 1 else 0.1)
    encoder.save_pretrained(folder)
    _write_tokenizer(folder)
    return folder


OTHERS: dict[str, dict[str, Any]] = {  # sizes of families that FAMILIES does not have
    "xlnet": {"vocab_size": VOCABULARY, "d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 24, "pad_token_id": PAD},
    "mobilebert": {**SIZES, "embedding_size": 8, "true_hidden_size": 16, "intra_bottleneck_size": 16},
    "roformer": {**SIZES, "embedding_size": 16},
    "squeezebert": {**SIZES, "embedding_size": 16},
    "gpt2": {"vocab_size": VOCABULARY, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 40},
}


def make_stock(folder: Path, family: str) -> Path:
    """A random question-answering model that transformers' own class saved, with a tokenizer; the same each time."""
    from transformers import AutoConfig, AutoModelForQuestionAnswering

    torch.manual_seed(4)
    sizes = FAMILIES.get(family) or OTHERS.get(family, SIZES)
    model = AutoModelForQuestionAnswering.from_config(AutoConfig.for_model(family, **sizes))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.randn_like(parameter) * (0.3 if parameter.ndim > 1 else 0.1)
    model.save_pretrained(folder)
    _write_tokenizer(folder)
    return folder


def _write_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {word: number for number, word in enumerate(["[PAD]", "[CLS]", "[SEP]", *map(str, range(3, VOCABULARY))])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[PAD]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}\n')


def logits_of(spans: span_model.SpanModel, batch: batches.Batch) -> torch.Tensor:
    """(2, B, T): start and end."""
    with torch.inference_mode():
        return torch.stack(spans.eval()(batch))

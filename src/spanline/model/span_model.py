"""The model: any encoder that `AutoModel` loads, and one linear layer that gives each token a start and an end logit.

On disk it has the Hugging Face layout, so that `AutoModelForQuestionAnswering.from_pretrained` loads it too.

Legend: B features of a batch, T tokens, H width of the encoder.
"""

from __future__ import annotations

import inspect
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from spanline.common.errors import SpanlineError
from spanline.common.files import sha256
from spanline.common.memory import raise_if_out_of_memory
from spanline.model import head as heads
from spanline.model.batches import Batch
from spanline.model.head import OWN_HEAD, STOCK_HEAD
from spanline.model_folder import CONFIG, TOKENIZER, WEIGHTS, refuse_code, write_manifest
from spanline.storage.shards import Manifest


class SpanModel(nn.Module):
    """Encoder and span head. `encoder.config` describes the encoder."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.config.hidden_size, 2)
        self.takes_types = _takes_types(encoder)
        self.mask_dtype = torch.float32 if encoder.config.model_type == "xlnet" else torch.bool  # it computes with it
        self.pad_token_id = int(encoder.config.pad_token_id or 0)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Start and end logits, (B, T) float32 each, of every token; those of padding mean nothing."""
        inputs = {"input_ids": batch.input_ids_BT}
        if self.takes_types:
            inputs["token_type_ids"] = batch.token_type_ids_BT
        if batch.attention_mask_BT is not None:  # without padding the attention kernels are faster with no mask at all
            inputs["attention_mask"] = batch.attention_mask_BT.to(self.mask_dtype)
        hidden_BTH = self.encoder(**inputs).last_hidden_state
        with torch.autocast(hidden_BTH.device.type, enabled=False):  # two columns: float32 costs nothing here
            start_BT, end_BT = self.head(hidden_BTH.float()).unbind(-1)
        return start_BT, end_BT


def span_loss(start_BT: Tensor, end_BT: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy over the allowed positions only, mean of start and end, summed over the batch: (), float32."""
    start = _cross_entropy(start_BT, batch.start_B, batch.allowed_BT)
    return (start + _cross_entropy(end_BT, batch.end_B, batch.allowed_BT)) / 2


def _cross_entropy(logits_BT: Tensor, label_B: Tensor, allowed_BT: Tensor) -> Tensor:
    return nn.functional.cross_entropy(logits_BT.masked_fill(~allowed_BT, -torch.inf), label_B, reduction="sum")


def pretrained(folder: Path, seed: int, dropout: float | None, head: str | None = None) -> SpanModel:
    """The encoder of the checkpoint `folder` and a head, in float32, in training mode.

    `head`: the name of the checkpoint's own (`head.find`), to be kept; None draws a new one from `seed`. `dropout`
    replaces every dropout rate of the encoder's config; None keeps them.
    """
    config = _config(folder, "checkpoint")
    config.num_labels = 2
    if dropout is not None:
        _set_dropout(config, dropout)
    model = SpanModel(_encoder(folder, config, "checkpoint"))
    if head is None:
        _initialise_head(model, seed)
    else:
        _load_head(model, folder, head)
    return model.train()


def load(folder: Path) -> SpanModel:
    """The model that `save` wrote to `folder`, in evaluation mode."""
    config = _config(folder, "train")
    model = SpanModel(_encoder(folder, config, "train"))
    name = heads.find(folder / WEIGHTS)
    if name is None:
        raise SpanlineError(folder / WEIGHTS, "holds no span head", "make it anew: dvc repro train")
    _load_head(model, folder, name)
    return model.eval()


def save(model: SpanModel, checkpoint: Path, folder: Path) -> bool:
    """Write config, weights and the tokenizer files of `checkpoint` to `folder`.

    The answer is whether `AutoModelForQuestionAnswering` gives the same logits; where its class for this encoder is
    more than a linear layer (ModernBERT), or missing, only `load` reads the head.
    """
    encoder, config = model.encoder, model.encoder.config
    stock = _stock_model(encoder)
    prefix, head = (f"{stock.base_model_prefix}.", STOCK_HEAD) if stock else ("", OWN_HEAD)
    config.architectures = [type(stock or encoder).__name__]
    config.save_pretrained(folder)
    weights = {f"{prefix}{name}": tensor for name, tensor in encoder.state_dict().items()}
    weights |= {f"{head}.{name}": tensor for name, tensor in model.head.state_dict().items()}
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    save_file(contiguous, folder / WEIGHTS, metadata={"format": "pt"})
    shutil.copymode(folder / CONFIG, folder / WEIGHTS)  # safetensors makes it readable by its owner alone
    for file in sorted(checkpoint.glob("tokenizer*.json")):
        shutil.copyfile(file, folder / file.name)
    write_manifest(folder)
    return stock is not None


def refuse_mismatch(model: SpanModel, folder: Path, features: Manifest, todo: str) -> None:
    """SpanlineError for features of another tokenizer than that of `folder`, or longer than the model can read."""
    if sha256(folder / TOKENIZER) != features.made_from["tokenizer"]:
        raise SpanlineError(features.folder, f"was made with another tokenizer than {folder / TOKENIZER}", todo)
    length, limit = features.params["max_length"], max_positions(model)
    if limit is not None and length > limit:
        what = f"has features of up to {length} tokens, the model in {folder} has {limit} positions"
        raise SpanlineError(features.folder, what, f"set featurize.max_length to {limit} or less")


def max_positions(model: SpanModel) -> int | None:
    """The longest feature that the encoder can place; None where positions are relative or rotary."""
    for name, module in model.encoder.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            # RoBERTa counts positions from the padding's id + 1, so 514 embeddings are 512 positions
            return module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1)
    return None


def _takes_types(encoder: Any) -> bool:
    """Whether question and context are told apart by type ids (BERT yes, RoBERTa and DistilBERT no)."""
    known = "token_type_ids" in inspect.signature(encoder.forward).parameters
    has_types = getattr(encoder.config, "type_vocab_size", 0) > 1
    return known and (has_types or encoder.config.model_type == "xlnet")  # whose types are relative: a table of two


def _config(folder: Path, stage: str) -> Any:
    """The encoder's config; SpanlineError for missing files and for encoder-decoders."""
    from transformers import AutoConfig

    _quiet()
    for name in (CONFIG, WEIGHTS, TOKENIZER):
        if not (folder / name).is_file():
            raise SpanlineError(
                folder / name, "there is no such file", f"run the stage that makes it: dvc repro {stage}"
            )
    refuse_code(folder)
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # of any kind: each family's config checks its values in its own way
        raise_if_out_of_memory(error)
        raise SpanlineError(folder / CONFIG, f"transformers can't read it ({_first_line(error)})", "fix it") from None
    if config.is_encoder_decoder:
        raise SpanlineError(folder / CONFIG, f"{config.model_type} is no plain encoder", "choose one such as BERT")
    return config


def _encoder(folder: Path, config: Any, stage: str) -> Any:
    """The encoder without a pooler, in float32; SpanlineError where weights are missing or of another shape, and for
    those of more layers than the config has, where the train stage wrote both."""
    todo = f"make it anew: dvc repro {stage}"
    empty = _empty(folder, config)
    kind = type(empty)
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False, "use_safetensors": True}
    if "add_pooling_layer" in inspect.signature(kind).parameters:
        options["add_pooling_layer"] = False
    try:
        options["key_mapping"] = _other_prefix(empty, folder / WEIGHTS)
        encoder, report = kind.from_pretrained(
            folder, config=config, dtype=torch.float32, output_loading_info=True, **options
        )
    except Exception as error:  # of any kind: a config's values shape the model, a file's bytes its tensors
        raise_if_out_of_memory(error)
        what = f"does not load as {kind.__name__} ({_first_line(error)})"
        raise SpanlineError(folder / WEIGHTS, what, todo) from None
    missing = sorted(report["missing_keys"])
    if missing:
        what = f"lacks {len(missing)} tensors of {kind.__name__}, the first is {missing[0]}"
        raise SpanlineError(folder / WEIGHTS, what, todo)
    unknown = sorted(key for key in report["unexpected_keys"] if re.search(r"\.\d+\.", key))
    if stage == "train" and unknown:  # a checkpoint may be cut to its first layers, what was trained may not
        what = f"holds {len(unknown)} tensors of layers that {CONFIG} does not have, the first is {unknown[0]}"
        raise SpanlineError(folder / WEIGHTS, what, todo)
    return encoder


def _other_prefix(empty: Any, weights: Path) -> dict[str, str] | None:
    """For from_pretrained: what to take off the names of tensors where a ...ForQuestionAnswering class has another
    name for its encoder than the encoder's own classes (LLaMA's: `transformer.` for `model.`); else None."""
    with safe_open(weights, framework="pt") as file:
        names = {name.partition(".")[2] for name in file.keys()}  # noqa: SIM118
        prefixes = {name.partition(".")[0] for name in file.keys()} - {STOCK_HEAD}  # noqa: SIM118
    own = set(empty.state_dict())
    is_other = len(prefixes) == 1 and prefixes != {empty.base_model_prefix} and own <= names
    return {f"^{prefixes.pop()}\\.": ""} if is_other else None


def _empty(folder: Path, config: Any) -> Any:
    """The encoder of a config, without memory for its weights."""
    from transformers import AutoModel

    try:
        with torch.device("meta"):
            return AutoModel.from_config(config, trust_remote_code=False)
    except Exception as error:  # of any kind: the values of a config meet no check before
        what = f"transformers has no encoder for it ({_first_line(error)})"
        raise SpanlineError(folder / CONFIG, what, "fix it") from None


def _set_dropout(config: Any, rate: float) -> None:
    """Every number of the config with dropout in its name: `hidden_dropout_prob`, `attention_dropout`, ..."""
    for name, value in config.to_dict().items():
        if "dropout" in name and isinstance(value, (int, float)) and not isinstance(value, bool):
            setattr(config, name, rate)


def _load_head(model: SpanModel, folder: Path, name: str) -> None:
    tensors = heads.read(folder / WEIGHTS, name)
    if tensors["weight"].shape != model.head.weight.shape:
        what = f"has a head for {tensors['weight'].shape[1]} values a token, its encoder gives {model.head.in_features}"
        raise SpanlineError(folder / WEIGHTS, what, "take config and weights of the same model")
    model.head.load_state_dict(tensors)


def _initialise_head(model: SpanModel, seed: int) -> None:
    """Normal with the encoder's own spread, zero bias, as the ...ForQuestionAnswering classes do."""
    generator = torch.Generator().manual_seed(seed)
    spread = getattr(model.encoder.config, "initializer_range", 0.02)
    with torch.no_grad():
        model.head.weight.normal_(0.0, spread, generator=generator)
        model.head.bias.zero_()


def _stock_model(encoder: Any) -> Any:
    """An empty ...ForQuestionAnswering that is the same encoder and one linear layer; None if there is none."""
    from transformers import AutoModelForQuestionAnswering

    try:
        with torch.device("meta"):
            stock = AutoModelForQuestionAnswering.from_config(encoder.config, trust_remote_code=False)
    except ValueError:
        return None
    names = {f"{stock.base_model_prefix}.{name}" for name in encoder.state_dict()}
    names |= {f"{STOCK_HEAD}.weight", f"{STOCK_HEAD}.bias"}
    return stock if set(stock.state_dict()) == names else None


def _quiet() -> None:
    """No load report and no progress bar: what matters of them is raised as an error."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__

"""A model's folder in the Hugging Face layout, which may come from anybody: its config.json is read with distrust.

A config can ask for Python code: of a file beside it (`auto_map`), of a repository of kernels, of an adapter. No code
of a model folder ever runs here, and nobody is asked whether it may: such a config is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spanline.common.errors import SpanlineError
from spanline.common.files import read_json, sha256, shortened, to_json

CONFIG, WEIGHTS, TOKENIZER, TOKENIZER_CONFIG = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
)
MANIFEST = "manifest.json"  # of a model that the train stage wrote
HOLDS = (WEIGHTS, "*.json")  # a folder that the train stage wrote
_OWN_CODE = ("auto_map", "custom_pipelines", "trust_remote_code")
_KERNELS = ("attn_implementation", "_attn_implementation", "experts_implementation", "_experts_implementation")
# The largest value of what shapes a model: far beyond any encoder's, so that a slip makes no model of a billion layers.
_MOST = {
    **dict.fromkeys(("num_hidden_layers", "n_layers"), 1_000),
    **dict.fromkeys(("hidden_size", "dim", "num_attention_heads", "n_heads", "type_vocab_size"), 1 << 17),
    **dict.fromkeys(("intermediate_size", "hidden_dim"), 1 << 20),
    **dict.fromkeys(("vocab_size", "max_position_embeddings", "pad_token_id"), 1 << 24),
}
_OTHER_WEIGHTS = ("transformers_weights", "quantization_config")  # not the plain model.safetensors whose hash is known


def read_config(path: Path, todo: str) -> dict[str, Any]:
    """The object of a config.json or tokenizer_config.json; SpanlineError where there is none, or it asks for code."""
    content = read_json(path, todo)
    if not isinstance(content, dict):
        raise SpanlineError(path, "is no JSON object", todo)
    for key, value in _entries(content):
        _refuse(path, key, value)
    if not isinstance(content.get("model_type", ""), str):
        raise SpanlineError(path, f"'model_type' is {shortened(repr(content['model_type']))}, not a name", todo)
    for key in _MOST.keys() & content.keys():
        value = content[key]
        if value is not None and not (type(value) is int and 0 <= value <= _MOST[key]):
            raise SpanlineError(
                path, f"'{key}' is {shortened(repr(value))}, not a count of at most {_MOST[key]:,}", todo
            )
    return content


def refuse_code(folder: Path) -> None:
    """SpanlineError where a config of `folder` asks for code that is not transformers' own."""
    for name in (CONFIG, TOKENIZER_CONFIG):
        if (folder / name).is_file():
            read_config(folder / name, "fix it, or fetch it anew")


def write_manifest(folder: Path) -> None:
    """The SHA-256 of each file of a model that was trained here, written last."""
    files = {path.name: sha256(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST}
    content = {"kind": "model", "schema_version": 1, "files": files}
    (folder / MANIFEST).write_text(to_json(content), encoding="utf-8")


def check_manifest(folder: Path) -> None:
    """SpanlineError unless the files of `folder` are those that its manifest knows, byte for byte."""
    todo = "make the model anew: dvc repro -s -f train"
    content = read_json(folder / MANIFEST, todo)
    files = content.get("files") if isinstance(content, dict) and content.get("kind") == "model" else None
    if not isinstance(files, dict) or WEIGHTS not in files or content.get("schema_version") != 1:
        raise SpanlineError(folder / MANIFEST, "is no manifest of a model as this Spanline writes it", todo)
    for name, wanted in files.items():
        if not (folder / name).is_file():
            raise SpanlineError(folder / name, f"is missing, though {MANIFEST} lists it", todo)
        if sha256(folder / name) != wanted:
            raise SpanlineError(folder / name, f"is not the one that was trained: {MANIFEST} has another SHA-256", todo)


def _refuse(path: Path, key: str, value: Any) -> None:
    if not value:
        return
    if key in _OWN_CODE:
        what = f"asks for Python code of its own ('{key}'), which never runs here"
        raise SpanlineError(path, what, f"choose a model that transformers knows; if it knows this one, delete '{key}'")
    if key in _KERNELS and "/" in str(value):
        raise SpanlineError(path, f"asks for a kernel from a hub ('{key}'), which never runs here", f"delete '{key}'")
    if key in _OTHER_WEIGHTS:
        what = f"asks for other weights than a plain {WEIGHTS} ('{key}')"
        raise SpanlineError(path, what, "save the model anew, in float32, with transformers' save_pretrained")


def _entries(content: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, at any depth."""
    waiting = [content]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield from part.items()
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)

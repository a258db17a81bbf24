"""Resume points of a long run: atomic, in a folder named after everything that shapes the result.

Train keeps its last two states, predict every table that is done. They live outside every output: DVC neither deletes
nor caches them, and another configuration never finds them.
"""

from __future__ import annotations

import hashlib
import shutil
import signal
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

import pyarrow as pa
import torch

from spanline.common.console import check, say
from spanline.common.files import claimed, new_file, sha256, to_json
from spanline.common.locks import only_one
from spanline.common.memory import raise_if_out_of_memory
from spanline.common.params import Section
from spanline.storage.shards import Manifest

KEEP = 2  # a good one beside the newest, in case the disk damages that


def key(params: Section, features: Manifest, checkpoint: Path, **others: str) -> str:
    """A folder name for all that shapes a run: params, inputs, libraries, this project's code and `others`."""
    parts = {
        **others,
        "params": params.model_dump(),
        "features": features.sha256,
        "checkpoint": {path.name: sha256(path) for path in sorted(checkpoint.iterdir()) if path.is_file()},
        "libraries": {name: version(name) for name in ("torch", "transformers")},
        "code": code_hashes(),
    }
    return hashlib.sha256(to_json(parts).encode()).hexdigest()[:16]


def code_hashes() -> dict[str, str]:
    """SHA-256 of the source of every module of this project that the process has imported: of the text that it runs,
    where the loader knows it (stages/__init__.py), for the file may have been edited since."""
    modules = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
    ours = {name: file for name, file in modules.items() if file and name.split(".")[0] == "spanline"}
    loaders = {name: getattr(sys.modules[name], "__loader__", None) for name in ours}
    return {name: getattr(loaders[name], "sha256", None) or sha256(Path(file)) for name, file in sorted(ours.items())}


def save(folder: Path, step: int, state: Mapping[str, Any]) -> None:
    """Write the state after `step` updates; drop all but the newest KEEP."""
    with new_file(folder / f"{step:09d}.pt") as temporary, temporary.open("wb") as file:
        try:
            torch.save(dict(state), file)
        except RuntimeError as error:  # torch's, while it closes its archive, hides what the file said: a full disk
            if isinstance(error.__context__, OSError):
                raise OSError(error.__context__.errno, error.__context__.strerror, str(temporary)) from None
            raise
    for old in _points(folder)[:-KEEP]:
        old.unlink()


def load(folder: Path) -> dict[str, Any] | None:
    """The newest readable state of `folder`, its tensors on the CPU; None when there is none."""
    for path in reversed(_points(folder)):
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch.load has no error of its own for a broken file
            raise_if_out_of_memory(error)
            say(f"{path} is damaged ({type(error).__name__}): passed over")
            continue
        return state
    return None


def save_table(folder: Path, number: int, table: pa.Table) -> None:
    """Write table `number`, its SHA-256 in the name. In Arrow's own format: parquet renames parts of a schema."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    content = sink.getvalue()
    with new_file(folder / f"{number:05d}.{hashlib.sha256(content).hexdigest()}.arrow") as temporary:
        temporary.write_bytes(content)


def load_table(folder: Path, number: int) -> pa.Table | None:
    """Table `number` of `folder` exactly as it was saved; None when it is not there, or not whole."""
    for path in sorted(folder.glob(f"{number:05d}.*.arrow")):
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() == path.name.split(".")[1]:
            return pa.ipc.open_file(content).read_all()
        say(f"{path} is damaged: passed over")
    return None


def remove(folder: Path) -> None:
    """After success, which the last checks decide: the folder goes, and its parents as far as they are empty."""
    check()
    shutil.rmtree(folder, ignore_errors=True)
    _remove_empty(folder)


@contextmanager
def alone(folder: Path, out: Path, holds: Collection[str], is_writer: bool) -> Iterator[None]:
    """Inside the block no other process uses the resume points of `folder` or writes the output folder `out`: the
    stage of a killed `dvc repro` may still be at work. `holds`: as `new_folder` takes it. Of several processes of a
    group only the writer asks."""
    if not is_writer:
        yield
        return
    try:
        with claimed(out, holds), only_one(folder / "lock", folder):
            yield
    finally:
        _remove_empty(folder)


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):  # something is in there, such as another run's folder
        for path in [*([folder] if folder.exists() else []), folder.parent, folder.parent.parent]:
            path.rmdir()


def _points(folder: Path) -> list[Path]:
    """Oldest first."""
    return sorted(folder.glob("[0-9]*.pt"))


class Stop:
    """What SIGTERM or SIGINT asked for: `signal` is its number, 0 while nobody asked."""

    signal = 0

    def leave(self, text: str) -> None:
        """Say `text` and exit as the shell expects of the signal: 130 for Ctrl-C, 143 for SIGTERM."""
        say(text)
        sys.exit(128 + self.signal)


@contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """SIGTERM and SIGINT only raise a flag inside the block, so that the loop can save first; a second one kills."""
    stop = Stop()

    def note(number: int, frame: FrameType | None) -> None:
        stop.signal = number
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

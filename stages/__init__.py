"""A stage runs the code of its own tree: the files beside its dvc.yaml, whose hashes DVC records with the result.

Python alone takes the `spanline` that PYTHONPATH or pip (as editable) names first. In DVC's temporary folders (`dvc exp
run --queue` and `--temp`), in a git worktree or in a second clone, that is another tree's code, and its result would be
recorded, and shared by the run cache, as that of this tree's code. So `spanline` is found here and nowhere else.

Two more ways to run what is not hashed are shut. Python takes a .pyc for its source's when time and size agree, which
an edit within the same second, or a copy that keeps times, leaves as they were: each file is compiled from its text.
And DVC hashes a stage's files when the stage has *ended*: one that was edited meanwhile makes the stage fail.

Every process of a stage comes through this file: `python -m stages.NAME`, those of torchrun, the workers of featurize.
"""

from __future__ import annotations

import hashlib
import signal
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

# So Python calls a program until it has found its file: this is `python -m stages.NAME`, and no test that imports one.
is_starting = sys.argv[0] == "-m" and signal.getsignal(signal.SIGINT) is signal.default_int_handler
if is_starting:  # a Ctrl-C ends it at once, until there is a console to say so
    signal.signal(signal.SIGINT, signal.SIG_DFL)

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"
_ran: dict[Path, str] = {}  # file of ours -> SHA-256 of the text that this process compiled


class Source(SourceFileLoader):
    """Compiles what the file holds now; `sha256` is that text's."""

    sha256: str

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        content = self.get_data(path)
        self.sha256 = _ran[Path(path)] = hashlib.sha256(content).hexdigest()
        code: CodeType = self.source_to_code(content, path)
        return code


class OwnTree:
    """Finds `spanline` in this tree's src, and what is in it and in `stages` where they are; asks nobody else."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name.partition(".")[0] not in ("spanline", "stages"):
            return None
        spec = PathFinder.find_spec(name, [str(SRC)] if path is None else path, target)
        if spec is None:
            raise ModuleNotFoundError(f"No module named '{name}' in {ROOT}", name=name)
        if isinstance(spec.loader, SourceFileLoader):
            spec.loader = Source(spec.loader.name, str(spec.loader.path))
        return spec


def use_own_tree() -> bool:
    """Import `spanline` from this tree; exit in one line if that fails. False: it was imported before, from here."""
    here = Path.cwd().resolve()
    if (here / "dvc.yaml").exists() and here != ROOT:
        refuse(f"the stages of {ROOT} were started in {here}, which has its own; unset PYTHONPATH and PYTHONSAFEPATH")
    package = SRC / "spanline" / "__init__.py"
    if not package.is_file():
        refuse(f"{package}: there is no such file, and no other tree's code may run instead; git checkout src")
    is_first = "spanline" not in sys.modules
    if is_first:
        sys.meta_path.insert(0, OwnTree)
    import spanline

    found = Path(str(spanline.__file__)).resolve()
    if found != package.resolve():
        todo = "start it as a program of its own: python -m stages.NAME"
        refuse(f"spanline was imported from {found.parent} before the stages of {ROOT}, which run their own; {todo}")
    return is_first


def refuse(what: str) -> None:
    """As console.run says it, before there is a console."""
    sys.exit(f"error: {what}")


def check_code() -> None:
    """SpanlineError when a file that this process ran holds something else by now."""
    for path, ran in _ran.items():
        now = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        if now != ran:
            what = "was edited while the stage ran, and DVC would record the edit with the result of the old text"
            raise SpanlineError(path.relative_to(ROOT), what, "run the stage again")


is_program = use_own_tree()  # else a test, say, imports a stage: nobody knows then what it has run

from spanline.common import arithmetic, console, dvc_lock, params  # noqa: E402 - from here on it is this tree's
from spanline.common.errors import SpanlineError  # noqa: E402

if is_program:
    arithmetic.limit_numpy()
    console.last_checks[:] = [check_code, params.check_unchanged]
if is_starting:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if sys.argv[0] == "-m":
    console.guard_imports()
    dvc_lock.keep(ROOT)

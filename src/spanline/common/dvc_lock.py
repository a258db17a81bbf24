"""dvc.lock after a kill at the wrong moment. DVC empties the file and writes it anew after each stage; in between
nothing holds what it said, and DVC refuses a file that it cannot read, without a hint.

Every stage keeps a copy as it starts, when DVC has just written the file and waits. `make repro` looks before it calls
DVC (tools/restore_lock.py). A stale entry does no harm: DVC compares it with the files and takes the run cache's.
"""

from __future__ import annotations

import re
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from spanline.common.errors import SpanlineError
from spanline.common.files import write_text

LOCK = "dvc.lock"
_COPY = ".dvc/tmp/spanline-dvc.lock"  # where git and DVC look for nothing
_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")
# C's is ten times as fast. All values as texts: some MD5s look like numbers.
_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def is_whole(text: str) -> bool:
    """Whether DVC can read it: stages, each with its command and the hash of each file."""
    try:
        content = yaml.load(text, _Loader)
    except yaml.YAMLError:
        return False
    stages = content.get("stages") if isinstance(content, dict) else None
    if not text.endswith("\n") or not isinstance(stages, dict):
        return False
    return all(isinstance(stage, dict) and isinstance(stage.get("cmd"), str) for stage in stages.values()) and all(
        isinstance(file, dict) and isinstance(file.get("path"), str) and _MD5.fullmatch(str(file.get("md5")))
        for stage in stages.values()
        for file in [*(stage.get("deps") or []), *(stage.get("outs") or [])]
    )


def keep(root: Path) -> None:
    """Copy the lock of the project in `root`, if it is whole. That nothing can be kept stops no stage."""
    with suppress(OSError, UnicodeDecodeError, SpanlineError):
        text = (root / LOCK).read_text(encoding="utf-8")
        copy = root / _COPY
        is_new = not copy.is_file() or copy.read_text(encoding="utf-8") != text
        if (root / ".dvc").is_dir() and is_new and is_whole(text):
            write_text(copy, text)


def restore(root: Path) -> str | None:
    """Put a lock that DVC cannot read back to the copy, else to git's; where neither is whole, remove it. Says what was
    done; None where nothing was. SpanlineError for a merge that nobody has resolved."""
    path = root / LOCK
    if not path.is_file():
        return None
    text = path.read_bytes().decode(errors="replace")
    if re.search(r"^(<<<<<<<|>>>>>>>) ", text, flags=re.MULTILINE):
        raise SpanlineError(path, "has the two sides of a merge in it", "resolve it: docs/TEAM.md, Merges")
    if is_whole(text):
        keep(root)
        return None
    found = f"{path} was cut off, as by a kill while DVC wrote it"
    for origin, copy in (("the copy that the last stage kept", _copy(root)), ("the last commit", _committed(root))):
        if is_whole(copy):
            write_text(path, copy)
            return f"{found}: restored from {origin}; DVC takes what came after from its run cache"
    path.unlink()
    return f"{found}: removed, for there is no copy; DVC makes it anew from its run cache"


def _copy(root: Path) -> str:
    try:
        return (root / _COPY).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _committed(root: Path) -> str:
    try:
        done = subprocess.run(["git", "show", f"HEAD:./{LOCK}"], cwd=root, capture_output=True, text=True, check=False)
    except OSError:  # no git
        return ""
    return done.stdout

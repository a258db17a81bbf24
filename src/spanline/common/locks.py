"""One process at a time: who writes a file or a folder holds a lock on it, which the kernel takes back if he dies."""

from __future__ import annotations

import errno
import os
import shlex
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from spanline.common.errors import SpanlineError

try:
    import fcntl
except ImportError:  # Windows, where nobody is kept apart
    fcntl = None  # type: ignore[assignment]

_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}  # a file system without them
_held: set[Path] = set()  # by this process, which may ask again


def beside(path: Path) -> Path:
    """The lock of an output: the hidden file that stands beside it while it is written."""
    return path.with_name(f".{path.name}.lock")


@contextmanager
def only_one(lock: Path, what: Path) -> Iterator[None]:
    """Hold the file `lock` inside the block. SpanlineError if another process holds it: it names that process and
    `what` it is writing. The file goes with the lock; what a killed process left of it holds nobody up."""
    key = Path.cwd() / lock
    if fcntl is None or key in _held:
        yield
        return
    lock.parent.mkdir(parents=True, exist_ok=True)
    handle = _taken(lock, what)
    _held.add(key)
    try:
        yield
    finally:
        _held.discard(key)
        lock.unlink(missing_ok=True)  # before it is let go: who opened it meanwhile finds it gone, and makes a new one
        os.close(handle)


def _taken(lock: Path, what: Path) -> int:
    """The opened and locked file."""
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 4096, 0).decode(errors="replace").strip()
            os.close(handle)
            raise _busy(what, holder) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(handle)
                raise
        if _is_still_there(handle, lock):
            os.ftruncate(handle, 0)
            with suppress(OSError):  # on a full disk it holds all the same, without a name
                os.pwrite(handle, f"{os.getpid()} {socket.gethostname()} {_command()}\n".encode(), 0)
            return handle
        os.close(handle)


def _is_still_there(handle: int, lock: Path) -> bool:
    """Whether the name still leads to the opened file: its last holder removes it."""
    try:
        return os.path.samestat(os.fstat(handle), lock.stat())
    except FileNotFoundError:
        return False


def _command() -> str:
    """As a person would know it in a list of processes."""
    return shlex.join(["python", *sys.orig_argv[1:]])[:100]


def _busy(what: Path, holder: str) -> SpanlineError:
    pid, _, rest = holder.partition(" ")
    host, _, command = rest.partition(" ")
    where = "" if host == socket.gethostname() else f" on {host}"
    who = f"process {pid}{where} ({command})" if pid.isdigit() else "another process"
    end = f"kill {pid}" if pid.isdigit() else "see `ps`"
    return SpanlineError(what, f"{who} is at work on it", f"wait until it is done, or end it: {end}")

"""Commands under another user of this machine, for tests that root runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

# A Python below /root can't be read by others. This capability lets them read what they may not, and write nothing.
READS_ALL = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]


@dataclass(frozen=True)
class User:
    """Somebody with an own number; what they make belongs to their group."""

    name: str
    group: str

    def command(self, *command: str, umask: str = "022") -> list[str]:
        """`command`, to be started by root, as this user."""
        switch = ["setpriv", f"--reuid={self.name}", f"--regid={self.group}", "--init-groups", *READS_ALL]
        return [*switch, "sh", "-c", f'umask {umask}; exec "$@"', "sh", *command]

    def environment(self, home: Path) -> dict[str, str]:
        return {"HOME": str(home), "USER": self.name, "LOGNAME": self.name}


def need_root(*programs: str) -> None:
    """Skip where other users can't be had."""
    if os.getuid():
        pytest.skip("only root can run commands as other users")
    for program in ("setpriv", *programs):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}")


@contextmanager
def public_folder() -> Iterator[Path]:
    """A folder that all users reach; pytest's own are private, and access(2) goes by the user's rights alone."""
    with tempfile.TemporaryDirectory(prefix="spanline-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def give(folder: Path, user: User) -> None:
    """The folder and all in it belong to the user."""
    subprocess.run(["chown", "-R", f"{user.name}:{user.group}", str(folder)], check=True)

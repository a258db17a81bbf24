"""Before `dvc repro`: a dvc.lock that a kill cut off is put back, for DVC only refuses it. `make repro` calls this.

By hand: `python -m tools.restore_lock`. It changes nothing where the file is whole, and says nothing then.
"""

from __future__ import annotations

import sys
from pathlib import Path

from spanline.common import console, dvc_lock
from spanline.common.errors import SpanlineError


def main() -> None:
    """Look at dvc.lock of the project here."""
    try:
        done = dvc_lock.restore(Path())
    except SpanlineError as error:
        sys.exit(f"error: {error}")
    if done:
        console.say(f"note: {done}")


if __name__ == "__main__":
    main()

"""Where things lie that tests read."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"
TINY = ROOT / "tests" / "data" / "tiny-squad.json"
# The folder with the real SQuAD v2 files and what the official script says of them: tests skip what they need of it.
SHARED = Path(os.environ.get("SPANLINE_SHARED", ROOT.parent / "shared"))

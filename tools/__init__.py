"""Commands about the repository itself, for people and CI: none is a stage, none can change a result.

They stand outside src/ and stages/ because some of them import DVC, which those two never do. Run them from the root,
as `python -m tools.NAME`, or by the Makefile's targets.
They run the code of their own tree, as stages do (stages/__init__.py), whatever pip or PYTHONPATH names first.
"""

import sys
from pathlib import Path

SRC = Path(__file__).resolve().parents[1] / "src"
sys.path.insert(0, str(SRC))

import spanline  # noqa: E402

if Path(str(spanline.__file__)).resolve() != (SRC / "spanline" / "__init__.py").resolve():
    sys.exit(f"error: {SRC}/spanline: is not the package that Python found; git checkout src")

"""A GPU's first quarter of an hour: all that has been claimed of one, run, in a table with a verdict per line.

    python -m benchmarks.gpu                  # on a machine with CUDA; without DVC and `datasets`
    python -m benchmarks.gpu --device cpu     # the same code on tiny shapes, where there is no GPU

Exit 0 when no line failed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

# What the code of train, predict and ask imports: module -> as pip calls it.
NEEDED = {
    "numpy": "numpy",
    "orjson": "orjson",
    "pyarrow": "pyarrow",
    "pydantic": "pydantic",
    "ruamel.yaml": "ruamel.yaml",
    "safetensors": "safetensors",
    "tokenizers": "tokenizers",
    "torch": "torch",
    "transformers": "transformers",
}
LEAST = {"torch": (2, 11), "transformers": (5, 17)}
BUDGET_S = 540.0


def main() -> None:
    args = _arguments()
    refuse_missing()
    from benchmarks.gpu import suite  # only now: it imports all of them

    with tempfile.TemporaryDirectory(prefix="spanline-gpu-") as folder:
        work = suite.work(args.device, Path(folder), args.budget_s)
        lines = []
        for name in args.only or suite.ALL:
            for line in suite.run(work, name):
                lines.append(line)
                print(f"{line.verdict:8}{line.name:48}{line.found}", flush=True)
    record = suite.record(work, lines)
    print(json.dumps(record["facts"], ensure_ascii=False))
    if args.out:
        args.out.write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    failed = sum(line.verdict == "failed" for line in lines)
    print(f"{len(lines)} lines, {failed} failed, {sum(line.verdict == 'skipped' for line in lines)} skipped")
    sys.exit(bool(failed))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, ...; cpu: tiny shapes")
    parser.add_argument("--out", type=Path, help="JSON with all numbers, out")
    parser.add_argument("--only", nargs="+", help="these checks alone")
    parser.add_argument("--budget-s", type=float, default=BUDGET_S, help="seconds after which no further check starts")
    return parser.parse_args()


def refuse_missing() -> None:
    """Exit 2 with one line for what is not installed or too old."""
    missing = [pip for module, pip in NEEDED.items() if not _is_there(module)]
    if missing:
        sys.exit(_refusal(f"{', '.join(missing)} not installed; pip install {' '.join(missing)}"))
    for name, least in LEAST.items():
        found = tuple(int(part) for part in version(name).split("+")[0].split(".")[:2])
        if found < least:
            sys.exit(_refusal(f"{name} is {version(name)}; pip install '{name}>={'.'.join(map(str, least))}'"))


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ModuleNotFoundError, PackageNotFoundError):
        return False


def _refusal(text: str) -> str:
    return f"error: benchmarks.gpu: {text}"


if __name__ == "__main__":
    main()

"""Download: a source of SQuAD (the embedded corpus, files or the hub) -> three splits as parquet, and dataset.json."""

from __future__ import annotations

import argparse
from pathlib import Path

from spanline.common import console, environment, files, params
from spanline.download import run
from spanline.download.params import Download
from spanline.runtime import Runtime

SECTION = "download"
PARAMS = Download


def main() -> None:
    """Parse paths, load params, write the splits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--out", type=Path, required=True, help="folder of the splits, out")
    args = parser.parse_args()

    settings = params.load(args.params, SECTION, PARAMS)
    runtime = params.load(args.params, "runtime", Runtime)
    environment.require(args.params, "pyarrow", "datasets")

    run.require_pins(settings)
    with files.new_folder(args.out) as folder:
        counts = run.write_splits(settings, folder, runtime.progress_every_s)
    for split, split_counts in counts.items():
        console.say(f"{split}: {split_counts}")


if __name__ == "__main__":
    console.run(main)

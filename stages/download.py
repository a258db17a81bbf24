"""Download: a source of SQuAD (the embedded corpus, files or the hub) -> three splits as parquet, and dataset.json."""

from __future__ import annotations

import argparse
from pathlib import Path

from spanline.common import console, environment, files, params
from spanline.download import run, sources
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

    sources.require_pins(settings)
    refused = args.out.with_name(f"{args.out.name}.flaws.csv")  # outside of the folder, which a refusal leaves alone
    with files.new_folder(args.out, run.HOLDS) as folder:
        written = run.write_splits(settings, folder, refused, runtime.progress_every_s)
    for split, counts in written.counts.items():
        console.say(f"{split}: {counts}")
    for note in written.notes:
        console.say(note)


if __name__ == "__main__":
    console.run(main, lowers_memory="lower download.limits")

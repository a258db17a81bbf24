"""Checkpoint: a pretrained encoder (from a package, a folder or the hub) -> config, safetensors and tokenizer.json."""

from __future__ import annotations

import argparse
from pathlib import Path

from spanline import checkpoint
from spanline.common import console, environment, files, params

SECTION = "checkpoint"
PARAMS = checkpoint.Checkpoint


def main() -> None:
    """Parse paths, load params, copy the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--out", type=Path, required=True, help="folder of the encoder, out")
    args = parser.parse_args()

    settings = params.load(args.params, SECTION, PARAMS)
    environment.require(args.params, "torch", "transformers")

    checkpoint.require_pins(settings)
    with files.new_folder(args.out, checkpoint.HOLDS) as folder:
        description = checkpoint.write_checkpoint(settings, folder)
    console.say(f"{description['name']}: {', '.join(description['files'])}")


if __name__ == "__main__":
    console.run(main)

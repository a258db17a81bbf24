"""Featurize: one split's questions and contexts -> overlapping features, unpadded, as parquet shards."""

import argparse
from pathlib import Path

from spanline.common import console, environment, params
from spanline.featurize import counts, run
from spanline.featurize.params import FeaturizeParams
from spanline.runtime import Runtime

SECTION = "featurize"
PARAMS = FeaturizeParams


def main() -> None:
    """Load, cut, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--squad", type=Path, required=True, help="parquet file of the split, in")
    parser.add_argument("--tokenizer", type=Path, required=True, help="tokenizer.json of the encoder, in")
    parser.add_argument("--config", type=Path, required=True, help="config.json of the encoder, in")
    parser.add_argument("--out", type=Path, required=True, help="folder of feature shards, out")
    args = parser.parse_args()

    p = params.load(args.params, SECTION, PARAMS)
    runtime = params.load(args.params, "runtime", Runtime)
    environment.require(args.params, "tokenizers", "pyarrow")

    found = run.write_features(run.Job(args.squad, args.tokenizer, p), args.config, args.out, runtime)
    console.say(counts.summary(found))


if __name__ == "__main__":
    environment.hide("pandas")
    console.run(main, lowers_memory="lower runtime.workers or featurize.rows_per_shard")

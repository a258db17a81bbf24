"""Featurize: one split's questions and contexts -> overlapping features, unpadded, as parquet shards."""

import argparse
from pathlib import Path
from typing import Any

from spanline import console, environment, examples, features, featurizing, params
from spanline.files import new_folder, sha256
from spanline.runtime import Runtime
from spanline.shards import ShardWriter
from spanline.tokenizer import PairTokenizer
from spanline.workers import num_workers

SECTION = "featurize"
PARAMS = featurizing.FeaturizeParams


def main() -> None:
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
    tokenizer = PairTokenizer(args.tokenizer)
    featurizing.check_room(p, tokenizer, args.config)

    made_from = {"squad": sha256(args.squad), "tokenizer": sha256(args.tokenizer)}
    sizes = examples.group_sizes(args.squad)

    def write(slow: bool) -> dict[str, Any]:
        progress = console.Progress("featurize", sum(sizes), "questions", runtime.progress_every_s)
        with new_folder(args.out) as out:
            writer = ShardWriter(out, features.KIND, p.rows_per_shard)
            job = featurizing.Job(args.squad, args.tokenizer, p, slow)
            counts = featurizing.featurize(job, writer, progress, num_workers(runtime.workers, len(sizes)))
            writer.finish(made_from, {**p.model_dump(), "vocab_size": tokenizer.vocab_size}, counts)
        return counts

    try:
        counts = write(slow=False)
    except featurizing.PairsAreNotConcatenatedError as odd:
        console.say(f"note: this tokenizer encodes pairs as more than their parts (question {odd}); the slow exact way")
        counts = write(slow=True)
    console.say(featurizing.summary(counts))


if __name__ == "__main__":
    environment.hide("pandas")
    console.run(main)

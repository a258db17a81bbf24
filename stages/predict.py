"""Predict: features + model -> the raw start and end logits of every token; decides nothing."""

import argparse
from pathlib import Path

from spanline import model_folder
from spanline.common import console, environment, params
from spanline.model import device, span_model
from spanline.predict import run
from spanline.predict.params import PredictParams
from spanline.runtime import Runtime
from spanline.storage import features

SECTION, PARAMS = "predict", PredictParams


def main() -> None:
    """Load, predict, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--features", type=Path, required=True, help="features of one split, in")
    parser.add_argument("--model", type=Path, required=True, help="what the train stage wrote, in")
    parser.add_argument("--out", type=Path, required=True, help="logits, a row per feature in the features' order, out")
    parser.add_argument("--scratch", type=Path, default=Path(".scratch"), help="where finished shards are kept")
    args = parser.parse_args()
    environment.require(args.params, "pyarrow", "torch", "transformers")
    p = params.load(args.params, SECTION, PARAMS)
    runtime = params.load(args.params, "runtime", Runtime)

    manifest = features.manifest(args.features)
    # One thread, for each batch has its own: device.num_workers.
    where = device.prepare(runtime.device, 1, p.precision, p.deterministic, p.instructions)
    spans = span_model.load(args.model)
    model_folder.check_manifest(args.model)
    todo = "run both stages anew: dvc repro featurize train predict"
    span_model.refuse_mismatch(spans, args.model, manifest, todo)
    points = run.points(args.scratch, p, manifest, args.model, where)

    weights = args.model / model_folder.WEIGHTS
    speed = run.write_logits(spans, weights, manifest, p, runtime, where, points, args.out)
    if speed is not None:
        console.say(f"{manifest.rows:,} features -> {args.out}, {speed}")


if __name__ == "__main__":
    console.run(main, lowers_memory="lower predict.tokens_per_batch, runtime.workers or featurize.rows_per_shard")

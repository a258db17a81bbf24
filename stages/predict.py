"""Predict: features + model -> the raw start and end logits of every token; decides nothing."""

import argparse
from pathlib import Path

from spanline import (
    console,
    device,
    distributed,
    environment,
    features,
    files,
    inference,
    logits,
    model,
    params,
    scratch,
)
from spanline.runtime import Runtime
from spanline.shards import ShardWriter

SECTION, PARAMS = "predict", inference.PredictParams


def main() -> None:
    """Load, predict shard by shard, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--features", type=Path, required=True, help="features of one split, in")
    parser.add_argument("--model", type=Path, required=True, help="what the train stage wrote, in")
    parser.add_argument("--out", type=Path, required=True, help="logits, a row a feature in the features' order, out")
    parser.add_argument("--scratch", type=Path, default=Path(".scratch"), help="where finished shards are kept")
    args = parser.parse_args()
    environment.require(args.params, "pyarrow", "torch", "transformers")
    p = params.load(args.params, SECTION, PARAMS)
    runtime = params.load(args.params, "runtime", Runtime)

    manifest = features.manifest(args.features)
    where = device.prepare(runtime.device, 1, p.precision, p.deterministic)  # a batch a thread: see device.num_workers
    workers = device.num_workers(where, runtime.workers)
    spans = model.load(args.model)
    model.refuse_mismatch(spans, args.model, manifest, "run both stages anew: dvc repro featurize train predict")
    points = inference.points(args.scratch, p, manifest, args.model, where)
    with scratch.stop_on_signal() as stop, distributed.join(where) as group:
        clock = inference.Clock(manifest, runtime.progress_every_s, stop)
        if group.size > 1:  # each process keeps its share of the shards in `points`, the first puts all together
            for _ in inference.tables(spans, manifest, p, where, points, clock, group, workers):
                pass
            group.wait()
        if not group.is_first:
            return
        with files.new_folder(args.out) as out:
            writer = ShardWriter(out, logits.KIND, manifest.params["rows_per_shard"])
            for table in inference.tables(spans, manifest, p, where, points, clock, workers=workers):
                writer.write(table)
            made_from = {"features": manifest.sha256, "model": files.sha256(args.model / model.WEIGHTS)}
            writer.finish(made_from, params={"precision": p.precision}, counts={"features": manifest.rows})
    scratch.remove(points)
    console.say(f"{manifest.rows:,} features -> {args.out}, {clock.speed()}")


if __name__ == "__main__":
    console.run(main)

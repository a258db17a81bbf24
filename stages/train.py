"""Train: features + pretrained encoder -> a model that points at the start and end of the answer."""

import argparse
from pathlib import Path

from spanline import (
    console,
    device,
    distributed,
    environment,
    features,
    files,
    model,
    params,
    scratch,
    train_report,
    train_state,
    training,
)
from spanline.runtime import Runtime

SECTION, PARAMS = "train", train_state.TrainParams


def main() -> None:
    """Load, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--features", type=Path, required=True, help="features of the train split, in")
    parser.add_argument("--calibration", type=Path, required=True, help="features to look at after each epoch, in")
    parser.add_argument("--checkpoint", type=Path, required=True, help="pretrained encoder and tokenizer, in")
    parser.add_argument("--out", type=Path, required=True, help="model in the Hugging Face layout, out")
    parser.add_argument("--metrics", type=Path, required=True, help="steps, counts and final loss, out")
    parser.add_argument("--history", type=Path, required=True, help="loss, rate and gradient norm by step, out")
    parser.add_argument("--epochs", type=Path, required=True, help="calibration loss and accuracy by epoch, out")
    parser.add_argument("--timings", type=Path, required=True, help="speed and memory, out")
    parser.add_argument("--scratch", type=Path, default=Path(".scratch"), help="where resume points are kept")
    args = parser.parse_args()
    environment.require(args.params, "torch", "transformers")
    p = params.load(args.params, SECTION, PARAMS)
    runtime = params.load(args.params, "runtime", Runtime)

    manifest = features.manifest(args.features)
    where = device.prepare(runtime.device, p.num_threads, p.precision, p.deterministic)
    spans = model.pretrained(args.checkpoint, p.seed, p.dropout)
    model.refuse_mismatch(spans, args.checkpoint, manifest, "run both stages anew: dvc repro featurize train")
    data = training.read_features(manifest, spans.encoder.config.vocab_size)
    calibration = features.manifest(args.calibration)
    points = args.scratch / "train" / scratch.key(p, manifest, args.checkpoint, calibration=calibration.sha256)
    with distributed.join(where) as group:
        report = training.fit(spans, data, features.read(calibration), p, runtime, where, group, points)
        if group.is_first:
            write(args, report, spans)
            scratch.remove(points)


def write(args: argparse.Namespace, report: train_report.Report, spans: model.SpanModel) -> None:
    """The model and what training was like."""
    with files.new_folder(args.out) as out:
        if not model.save(spans, args.checkpoint, out):
            console.say(f"transformers has no plain span head for this encoder: {args.out} loads in Spanline only")
    files.write_text(args.metrics, files.to_json(report.result))
    files.write_text(args.history, train_report.to_csv(report.history, train_report.HISTORY_COLUMNS))
    files.write_text(args.epochs, train_report.to_csv(report.epochs, train_report.EPOCH_COLUMNS))
    files.write_text(args.timings, files.to_json(report.timings))
    console.say(f"{report.result['steps']:,} steps, final loss {report.result['final_loss']:.3f} -> {args.out}")


if __name__ == "__main__":
    console.run(main)

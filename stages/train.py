"""Train: features + pretrained encoder -> a model that points at the start and end of the answer."""

import argparse
from pathlib import Path
from typing import Any

from spanline import model_folder
from spanline.common import console, environment, files, params
from spanline.model import device, distributed, resume, span_model
from spanline.runtime import Runtime
from spanline.storage import features
from spanline.train import report, run
from spanline.train.params import TrainParams

SECTION, PARAMS = "train", TrainParams


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
    where = device.prepare(runtime.device, p.num_threads, p.precision, p.deterministic, p.instructions)
    head = run.kept_head(p, args.checkpoint / model_folder.WEIGHTS)
    spans = span_model.pretrained(args.checkpoint, p.seed, p.dropout if p.epochs else None, head)
    span_model.refuse_mismatch(spans, args.checkpoint, manifest, "run both stages anew: dvc repro featurize train")
    data = run.read_features(manifest, spans.encoder.config.vocab_size, may_be_none=not p.epochs)
    calibration = features.manifest(args.calibration)
    points = args.scratch / "train" / resume.key(p, manifest, args.checkpoint, calibration=calibration.sha256)
    console.say(f"span head: {'kept from the checkpoint' if head else f'new, drawn from seed {p.seed}'}")
    with distributed.join(where) as group, resume.alone(points, args.out, group.is_first):
        fitted = run.fit(spans, data, features.read(calibration), p, runtime, where, group, points)
        if group.is_first:
            write(args, fitted, spans, "kept" if head else "new")
            resume.remove(points)


def write(args: argparse.Namespace, fitted: report.Report, spans: span_model.SpanModel, head: str) -> None:
    """The model and what training was like. `head`: kept or new."""
    with files.new_folder(args.out) as out:
        if not span_model.save(spans, args.checkpoint, out):
            console.say(f"transformers has no plain span head for this encoder: {args.out} loads in Spanline only")
    files.write_text(args.metrics, files.to_json({**fitted.result, "head": head}))
    files.write_text(args.history, csv(report.HISTORY_COLUMNS, fitted.history))
    files.write_text(args.epochs, csv(report.EPOCH_COLUMNS, fitted.epochs))
    files.write_text(args.timings, files.to_json(fitted.timings))
    if fitted.result["steps"]:
        console.say(f"{fitted.result['steps']:,} steps, final loss {fitted.result['final_loss']:.3f} -> {args.out}")
    else:
        console.say(f"no step: the checkpoint's model as it is -> {args.out}")


def csv(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> str:
    """These columns of the rows."""
    return files.to_csv(columns, ([row[name] for name in columns] for row in rows))


if __name__ == "__main__":
    console.run(main, lowers_memory="lower train.micro_batch_size, or set train.gradient_checkpointing: true")

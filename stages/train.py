"""Train: features + pretrained encoder -> a model that points at the start and end of the answer."""

import argparse
from pathlib import Path

from spanline import model_folder
from spanline.common import console, environment, files, params
from spanline.model import device, distributed, resume, span_model
from spanline.runtime import Runtime
from spanline.storage import features
from spanline.train import report, run
from spanline.train.params import TrainParams
from spanline.train.watching import live, trackers

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
    trackers.refuse_missing(runtime.trackers)

    manifest = features.manifest(args.features)
    where = device.prepare(runtime.device, p.num_threads, p.precision, p.deterministic, p.instructions)
    head = run.kept_head(p, args.checkpoint / model_folder.WEIGHTS)
    spans = span_model.pretrained(args.checkpoint, p.seed, p.dropout if p.epochs else None, head)
    span_model.refuse_mismatch(spans, args.checkpoint, manifest, "run both stages anew: dvc repro featurize train")
    data = run.read_features(manifest, spans.encoder.config.vocab_size, may_be_none=not p.epochs)
    calibration = features.manifest(args.calibration)
    points = args.scratch / "train" / resume.key(p, manifest, args.checkpoint, calibration=calibration.sha256)
    curves = live.Curves(args.metrics, args.history, args.epochs, head="kept" if head else "new")
    console.say(f"span head: {'kept from the checkpoint' if head else f'new, drawn from seed {p.seed}'}")
    with distributed.join(where) as group, resume.alone(points, args.out, model_folder.HOLDS, group.is_first):
        watchers = (shown(curves, args.out), runtime.trackers) if group.is_first else (None, [])
        with live.watched(*watchers, runtime.progress_every_s, args.scratch, points.name, p) as watched:
            fitted = run.fit(spans, data, features.read(calibration), p, runtime, where, group, points, watched)
        if group.is_first:
            write(args, curves, fitted, spans)
            resume.remove(points)


def shown(curves: live.Curves, model: Path) -> live.Curves | None:
    """The curves if they may be shown while the run goes on: by hand, an earlier model may still lie there. Its curves
    stay with it until there is another one."""
    if not model.exists():
        return curves
    console.say(f"{model} keeps its curves until the new model is whole; to see the new ones live, move it away")
    return None


def write(args: argparse.Namespace, curves: live.Curves, fitted: report.Report, spans: span_model.SpanModel) -> None:
    """The model and what training was like; the model gets its name last, so it never lies beside half-made curves."""
    with files.new_folder(args.out, model_folder.HOLDS) as out:
        if not span_model.save(spans, args.checkpoint, out):
            console.say(f"transformers has no plain span head for this encoder: {args.out} loads in Spanline only")
        curves.show(fitted.result, fitted.history, fitted.epochs)
        files.write_text(args.timings, files.to_json(fitted.timings))
    if fitted.result["steps"]:
        console.say(f"{fitted.result['steps']:,} steps, final loss {fitted.result['final_loss']:.3f} -> {args.out}")
    else:
        console.say(f"no step: the checkpoint's model as it is -> {args.out}")


if __name__ == "__main__":
    console.run(main, lowers_memory="lower train.micro_batch_size, or set train.gradient_checkpointing: true")

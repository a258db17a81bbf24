"""`spanline answer`: a file of questions in, the files of data/answers out."""

from __future__ import annotations

import argparse
from pathlib import Path

from spanline.cli.ask import DEMONSTRATION
from spanline.common import console
from spanline.common.errors import SpanlineError
from spanline.runtime import Runtime


def add_answer(parser: argparse.ArgumentParser) -> None:
    """The options of `spanline answer`."""
    parser.set_defaults(run=run)
    parser.add_argument("questions", type=Path, help="SQuAD's JSON, JSON lines, CSV or parquet; gold is not looked at")
    parser.add_argument("--format", default="auto", choices=["auto", "squad", "flat", "jsonl", "csv", "parquet"])
    parser.add_argument("--model", default=Path("data/model"), help="folder, release or name on the hub (data/model)")
    parser.add_argument("--out", "-o", type=Path, default=Path("answers"), help="folder to write (default: answers)")
    parser.add_argument("--threshold", type=_threshold, help="logits, or calibrated (default: as the model was scored)")
    parser.add_argument("--params", type=Path, help="params.yaml that the model was scored with")
    parser.add_argument("--calibration", type=Path, help="calibration.json of the model")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (default: auto)")
    parser.add_argument("--workers", type=int, default=0, help="processes, batches, threads (default: one per core)")
    parser.add_argument("--scratch", type=Path, default=Path(".scratch"), help="where a stopped run goes on")


def _threshold(text: str) -> str | float:
    return text if text == "calibrated" else float(text)


def run(args: argparse.Namespace) -> None:
    """Answer a file of questions: predictions.json, na_prob.json, nbest.json and the other files of data/answers. Run
    it again after a stop, and it goes on."""
    from spanline.ask.locate import locate

    if args.workers < 0:
        raise SpanlineError("--workers", f"is {args.workers}", "give 0 (one per core) or more")
    model = locate(args.model, args.params, args.calibration)
    from spanline.ask import answer_files  # with torch

    runtime = Runtime(
        workers=args.workers, device=args.device, progress_every_s=5.0, checkpoint_every_min=5.0, trackers=[]
    )
    if model.known is not None and model.known.is_demonstration:
        console.say(DEMONSTRATION)
    if model.known is None:
        console.say("note: no settings lie with this model: threshold 0 and the lengths of the default params.yaml")
    task = answer_files.Task(args.questions, args.format, model, args.threshold, runtime, args.scratch)
    console.say(f"{answer_files.write_answers(task, args.out)} -> {args.out}")

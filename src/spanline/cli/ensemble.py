"""`spanline ensemble`: several runs as one."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path


def add_ensemble(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=run_ensemble)
    parser.add_argument("runs", metavar="RUN", nargs="+", help="git revisions, DVC experiments, or patterns of them")
    parser.add_argument("--out", type=Path, default=Path("ensemble"), help="folder to write (default: ensemble)")
    parser.add_argument("--project", type=Path, default=Path(), help="root of the pipeline (default: here)")
    parser.add_argument("--params", type=Path, help="params.yaml that says how to answer (default: the project's)")


def run_ensemble(args: argparse.Namespace) -> None:
    """Several runs as one: their logits averaged, calibrated and turned into answers; no model runs."""
    from spanline import ensemble, revisions
    from spanline.common import console

    params = args.params or args.project / "params.yaml"
    with tempfile.TemporaryDirectory() as scratch:
        found = [each for name in args.runs for each in revisions.find(args.project, name, Path(scratch))]
        lines = ensemble.write([ensemble.member(each) for each in found], params, args.out)
    console.say(f"average of {', '.join(each.name for each in found)}\n{lines}")
    console.say(f"spanline compare {found[0].name} {args.out}/answers")

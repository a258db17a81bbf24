"""`spanline compare` and `spanline summary`: is one model better than another, and what do the runs of one say?"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

RESAMPLES = 9_999
SEED = 17
REGRESSION = 4  # exit code
NAMES = (
    "a git revision, a DVC experiment, a folder of answers or a predictions.json in the official format; "
    "several with commas between them, or a pattern such as 'seed-*', are the runs of one set"
)


def add_compare(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=run_compare)
    parser.add_argument("a", metavar="A", help=NAMES)
    parser.add_argument("b", metavar="B", help="the same; the difference is B's score minus A's")
    _add_common(parser)
    parser.add_argument("--metric", choices=["f1", "exact"], default="f1", help="of the verdict and the slices")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print all numbers as JSON")
    form.add_argument("--md", action="store_true", help="print Markdown, for a pull request")
    parser.add_argument("--slices", action="store_true", help="print every slice, not only the least likely five")
    help_ = f"exit with {REGRESSION} when B is shown to be worse"
    parser.add_argument("--fail-on-regression", action="store_true", help=help_)


def add_summary(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=run_summary)
    parser.add_argument("runs", metavar="RUNS", nargs="+", help=NAMES)
    _add_common(parser)
    parser.add_argument("--json", action="store_true", help="print all numbers as JSON")


def _add_common(parser: argparse.ArgumentParser) -> None:
    questions = parser.add_mutually_exclusive_group()
    help_ = "the questions: official JSON or a split in parquet (default: what the revisions were scored on)"
    questions.add_argument("--squad", type=Path, help=help_)
    help_ = "the split of the revisions; by calibration settings are chosen, so that validation stays unseen"
    questions.add_argument("--on", choices=["validation", "calibration"], default="validation", help=help_)
    parser.add_argument("--project", type=Path, default=Path(), help="root of the pipeline (default: here)")
    parser.add_argument("--resamples", type=int, default=RESAMPLES, help=f"of the articles (default: {RESAMPLES:,})")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the resamples (default: {SEED})")


def run_compare(args: argparse.Namespace) -> None:
    """Is B better than A? The paired difference of two models on the same questions, with a verdict."""
    from spanline.compare import report, run

    with tempfile.TemporaryDirectory() as scratch:
        found, names = run.compare(args, Path(scratch))
    if args.json:
        sys.stdout.write(report.json(found, names))
    else:
        sys.stdout.write((report.markdown if args.md else report.text)(found, names, args.slices))
    sys.stdout.flush()
    if args.fail_on_regression and found.outcome == "worse":
        sys.exit(REGRESSION)


def run_summary(args: argparse.Namespace) -> None:
    """A table of runs: their scores, the mean, and how much they vary."""
    from spanline.compare import summary

    with tempfile.TemporaryDirectory() as scratch:
        sys.stdout.write(summary.of(args, Path(scratch)))
    sys.stdout.flush()

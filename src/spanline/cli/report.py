"""`spanline report`: a page about a run, or about two side by side."""

from __future__ import annotations

import argparse
import csv
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spanline.common import console
from spanline.common.files import write_text

SPLIT_HERE = Path("data/squad/validation.parquet")
CALIBRATION_BINS = 15  # of the reliability plot of two runs, as in the params.yaml that Spanline comes with

if TYPE_CHECKING:
    from spanline.compare.runs import Side
    from spanline.dataset.records import Example
    from spanline.report.overview import Facts
    from spanline.report.questions import Run


def add_report(parser: argparse.ArgumentParser) -> None:
    """The options of `spanline report`."""
    parser.set_defaults(run=run)
    what = "one run, or two to compare: folders of answers, git revisions, DVC experiments (default: the pipeline here)"
    add_inputs(parser, "*", what)
    parser.add_argument("--out", type=Path, default=Path("report.html"), help="page to write (default: report.html)")
    parser.add_argument("--title", default="", help="of the page (default: the data set's name)")


def add_inputs(parser: argparse.ArgumentParser, number: str, what: str) -> None:
    """The answers and the questions that they answer."""
    parser.add_argument("answers", nargs=number, help=what)
    help_ = f"the split that they answer (default: a revision's own, of folders {SPLIT_HERE})"
    parser.add_argument("--squad", type=Path, help=help_)


def run(args: argparse.Namespace) -> None:
    """One self-contained page (HTML): scores, and every question with gold, predicted and next best answers. Of two
    runs: what each gets right that the other gets wrong. Of none: of the pipeline here, with its commit."""
    from spanline.common.errors import SpanlineError
    from spanline.report import run as report

    if len(args.answers) > 2:
        raise SpanlineError("spanline report", f"got {len(args.answers)} runs", "give one, or two to compare")
    with tempfile.TemporaryDirectory() as scratch:
        examples, runs, sides = read_runs(args.squad, args.answers or ["data/answers"], Path(scratch))
    facts = None if args.answers else _facts()
    title = args.title or (f"{runs[0].name} against {runs[1].name}" if len(runs) > 1 else f"Answers of {runs[0].name}")
    comparison, verdict = compared(examples, sides, [run.name for run in runs])
    about = {"title": title, "verdict": verdict, "comparison": comparison, "commit": ""}
    if facts is not None:
        about = report.about(facts, _commit()) | ({"title": args.title} if args.title else {})
    html = report.page(examples, runs, facts, about, [] if facts else [curves(examples, run) for run in runs])
    write_text(args.out, html)
    console.say(f"{args.out}: {len(examples):,} questions, {len(html.encode()) / 1e6:.2f} MB")


def _facts() -> Facts:
    """Of the pipeline here."""
    from spanline.report import overview

    data, metrics = Path("data"), Path("metrics")
    return overview.Facts.read(Path("params.yaml"), overview.SHOWN, data / "squad", metrics)


def _commit() -> str:
    """The commit of the work tree here, and whether it has changes beyond it; "" outside of git."""

    def git(*arguments: str) -> str | None:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
        return None if done.returncode else done.stdout.strip()

    commit = git("rev-parse", "HEAD")
    if not commit:
        return ""
    return f"{commit}, with changes" if git("status", "--porcelain", "--untracked-files=no") else commit


def read_runs(squad: Path | None, names: Sequence[str], scratch: Path) -> tuple[list[Example], list[Run], list[Side]]:
    """The examples of the split, and each run for the page and for compare, named by what tells it from the others.

    `scratch`: a folder for what DVC's cache lacks; the answers of a revision are read from there or from the cache.
    """
    from spanline.common.errors import SpanlineError
    from spanline.compare.runs import read_examples, read_side
    from spanline.report import questions

    sides = [read_side(name, Path(), scratch) for name in names]
    for side in sides:
        if len(side.runs) > 1:
            todo = "name one; for sets there is spanline compare"
            raise SpanlineError(side.name, f"names {len(side.runs)} runs", todo)
    found = [side.runs[0].revision for side in sides]
    here = squad is None and not any(found)
    examples = read_examples(SPLIT_HERE if here else squad, sides, Path())
    folders = [
        revision.folder(revision.output_of("postprocess")) if revision else Path(name)
        for name, revision in zip(names, found, strict=True)
    ]
    shown = iter(different_names([Path(name) for name, revision in zip(names, found, strict=True) if not revision]))
    labels = [revision.name if revision else next(shown) for revision in found]
    runs = [questions.read_run(f, label, examples) for f, label in zip(folders, labels, strict=True)]
    return examples, runs, sides


def curves(examples: Sequence[Example], run: Run) -> dict[str, list[dict[str, str]]]:
    """The plots' files of the score stage, as rows by path."""
    from spanline.score.run import plots_of

    found = plots_of(examples, run.answers, CALIBRATION_BINS)
    return {f"metrics/plots/{name}": list(csv.DictReader(text.splitlines())) for name, text in found.items()}


def different_names(folders: Sequence[Path]) -> list[str]:
    """The last parts of the paths, as many as it takes to tell them apart; no more than that of this machine's paths.

    runs/a/data/answers, runs/b/data/answers -> a/data/answers, b/data/answers
    """
    parts = [folder.resolve().parts for folder in folders]
    for depth in range(1, max(map(len, parts), default=0) + 1):
        names = ["/".join(each[-depth:]) for each in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{name} ({number})" for number, name in enumerate(("/".join(each[-2:]) for each in parts), 1)]


def compared(examples: Sequence[Example], sides: Sequence[Side], names: Sequence[str]) -> tuple[str, str]:
    """What `spanline compare` says of two runs: its figures, and the sentence that they come to. Nothing of one run."""
    if len(sides) < 2:
        return "", ""
    from spanline.cli.compare import RESAMPLES, SEED
    from spanline.compare import report
    from spanline.compare.difference import Chance
    from spanline.compare.run import of_sides

    found = of_sides(examples, sides, "f1", Chance(RESAMPLES, SEED))
    figures, _, sentence = report.text(found, (names[0], names[1]), False).rstrip().rpartition("\n\n")
    return figures, sentence

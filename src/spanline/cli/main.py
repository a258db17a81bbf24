"""The command `spanline`: `ask` a model, `answer` a file, `compare` two models, `release` one, `push` it to a hub.

Exit codes: 0 done; 1 a mistake, one line on stderr; 2 wrong options; 3 (`ask` with one question) the answer is that
there is none; 4 (`compare --fail-on-regression`) B is worse; 130 interrupted; 141 the reader of the output went away.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from importlib.metadata import version

from spanline.cli import answer, ask, compare, ensemble, examples, release, report
from spanline.common import console

READER_GONE = 141


def main() -> None:
    """Parse, and run the subcommand."""
    parser = argparse.ArgumentParser(prog="spanline", description=str(__doc__).partition("\n")[0])
    names = "ask | answer | compare | summary | ensemble | report | examples | release | push"
    subcommands = parser.add_subparsers(required=True, metavar=names)
    ask.add_ask(subcommands.add_parser("ask", help="answer questions", description=ask.run.__doc__))
    description = answer.run.__doc__
    answer.add_answer(subcommands.add_parser("answer", help="answer a file of questions", description=description))
    description = compare.run_compare.__doc__
    compare.add_compare(subcommands.add_parser("compare", help="is B better than A?", description=description))
    description = compare.run_summary.__doc__
    compare.add_summary(subcommands.add_parser("summary", help="a table of runs", description=description))
    description = ensemble.run_ensemble.__doc__
    ensemble.add_ensemble(subcommands.add_parser("ensemble", help="average several runs", description=description))
    description = report.run.__doc__
    report.add_report(
        subcommands.add_parser("report", help="make a page about one or two runs", description=description)
    )
    description = examples.run.__doc__
    examples.add_examples(
        subcommands.add_parser("examples", help="print right and wrong answers", description=description)
    )
    description = release.run_release.__doc__
    release.add_release(subcommands.add_parser("release", help="make a folder for others", description=description))
    description = release.run_push.__doc__
    release.add_push(subcommands.add_parser("push", help="upload a release to a model hub", description=description))
    parser.add_argument("--version", action="version", version=f"spanline {version('spanline')}")
    args = parser.parse_args()
    if "project" in args:
        from spanline.ask.answering import refuse_other_code

        refuse_other_code(args.project)
    run: Callable[[argparse.Namespace], None] = args.run
    run(args)


def command() -> None:
    """The console script `spanline`."""
    try:
        console.run(main, lowers_memory="lower --tokens-per-batch or --workers")
    except BrokenPipeError:  # `spanline ask ... | head`: nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(READER_GONE)

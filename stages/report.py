"""Report: answers, gold, n-best lists, scores and training history -> one self-contained page (HTML) to look at."""

import argparse
from pathlib import Path

from spanline.common import console, environment
from spanline.common.files import new_folder
from spanline.dataset import splits
from spanline.report import overview, questions, run
from spanline.report.overview import SHOWN


def main() -> None:
    """Load, put together, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--squad", type=Path, required=True, help="folder of the splits, in")
    parser.add_argument("--answers", type=Path, required=True, help="folder of answers, in")
    parser.add_argument("--metrics", type=Path, required=True, help="folder of scores and histories, in")
    parser.add_argument("--out", type=Path, required=True, help="folder of the page, out")
    args = parser.parse_args()

    environment.require(args.params, "jinja2", "numpy")
    facts = overview.Facts.read(args.params, SHOWN, args.squad, args.metrics)
    examples = list(splits.read(args.squad / "validation.parquet"))
    answered = questions.read_run(args.answers, "validation", examples)

    html = run.page(examples, [answered], facts, run.about(facts))
    with new_folder(args.out, ["index.html"]) as folder:
        (folder / "index.html").write_text(html, encoding="utf-8")
    console.say(f"{args.out / 'index.html'}: {len(examples):,} questions, {len(html.encode()) / 1e6:.2f} MB")


if __name__ == "__main__":
    environment.hide("pandas")
    console.run(main)

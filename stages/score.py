"""Score: answers and gold -> the official SQuAD v2 numbers at each threshold, intervals, slices and plot data."""

import argparse
from pathlib import Path

from spanline.answers import Answers
from spanline.common import console, environment, params
from spanline.common.files import new_folder, to_csv, to_json, write_text
from spanline.dataset import splits
from spanline.score import run
from spanline.score.params import ScoreParams
from spanline.score.slices import Slice

SECTION = "score"
PARAMS = ScoreParams


def main() -> None:
    """Load, score, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--squad", type=Path, required=True, help="parquet file of the split, in")
    parser.add_argument("--answers", type=Path, required=True, help="folder of answers, in")
    parser.add_argument("--out", type=Path, required=True, help="the few scores that DVC's tables show (JSON), out")
    parser.add_argument("--scores", type=Path, required=True, help="all scores, with their intervals (JSON), out")
    parser.add_argument("--slices", type=Path, required=True, help="scores by kind of question (CSV), out")
    parser.add_argument("--plots", type=Path, required=True, help="folder of plot data (CSV), out")
    args = parser.parse_args()

    p = params.load(args.params, SECTION, PARAMS)
    environment.require(args.params, "numpy", "scipy")
    scored = run.score_run(list(splits.read(args.squad)), Answers.read(args.answers), p)

    with new_folder(args.plots, ["*.csv"]) as folder:
        for name, text in scored.plots.items():
            (folder / name).write_text(text, encoding="utf-8")
    write_text(args.slices, to_csv(Slice._fields, scored.slices))
    write_text(args.scores, to_json(scored.sections))
    write_text(args.out, to_json(run.daily(scored.sections)))
    console.say(run.summary(scored))


if __name__ == "__main__":
    environment.hide("pandas")
    console.run(main, lowers_memory="lower score.bootstrap_resamples")

"""Score: answers and gold -> the official SQuAD v2 numbers at each threshold, intervals, slices and plot data."""

import argparse
import gc
from pathlib import Path

from spanline import console, environment, examples, params, plots, scoring
from spanline.files import new_folder, to_json, write_text

SECTION = "score"
PARAMS = scoring.ScoreParams


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--squad", type=Path, required=True, help="parquet file of the split, in")
    parser.add_argument("--answers", type=Path, required=True, help="folder of answers, in")
    parser.add_argument("--out", type=Path, required=True, help="scores (JSON), out")
    parser.add_argument("--slices", type=Path, required=True, help="scores by kind of question (CSV), out")
    parser.add_argument("--plots", type=Path, required=True, help="folder of plot data (CSV), out")
    args = parser.parse_args()

    p = params.load(args.params, SECTION, PARAMS)
    environment.require(args.params, "numpy")
    answers = scoring.Answers.read(args.answers)
    scored = scoring.score(list(examples.read(args.squad)), answers, p)

    with new_folder(args.plots) as folder:
        for name, text in scored.plots.items():
            (folder / name).write_text(text, encoding="utf-8")
    write_text(args.slices, plots.to_csv(scored.slices))
    write_text(args.out, to_json(scored.sections))
    console.say(scoring.summary(scored))


if __name__ == "__main__":
    environment.hide("pandas")
    gc.disable()  # looking for garbage where there is none takes a seventh of this stage
    console.run(main)

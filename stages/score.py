"""Score: answers and gold -> the official SQuAD v2 numbers, at threshold 0, the calibrated and the oracle threshold."""

import argparse
from pathlib import Path

from spanline import console, examples, metrics
from spanline.files import read_json, to_json, write_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--squad", type=Path, required=True, help="parquet file of the split, in")
    parser.add_argument("--answers", type=Path, required=True, help="folder of answers, in")
    parser.add_argument("--out", type=Path, required=True, help="scores (JSON), out")
    args = parser.parse_args()

    todo = "run the stage that makes it: dvc repro postprocess"
    names = ("predictions", "best_spans", "null_odds", "na_prob", "thresholds")
    predictions, best_spans, score_diff, na_prob, thresholds = (
        read_json(args.answers / f"{name}.json", todo) for name in names
    )
    gold = examples.read_gold(args.squad)
    report = metrics.score_report(
        gold, predictions, best_spans, score_diff, na_prob, thresholds["applied"], thresholds["calibrated"]
    )
    write_text(args.out, to_json(report))
    console.say(metrics.summary(report))


if __name__ == "__main__":
    console.run(main)

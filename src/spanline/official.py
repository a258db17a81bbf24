"""In place of the official SQuAD v2 script: the same arguments, the same numbers, the same JSON on stdout.

    python -m spanline.official DATA PREDICTIONS [--na-prob-file FILE] [--na-prob-thresh NUMBER] [--out-file FILE]
                                [--out-image-dir FOLDER]

What differs: missing and unknown questions are refused instead of skipped, and --out-image-dir writes the numbers
behind the script's pictures (pr_exact.csv, pr_f1.csv, pr_oracle.csv, na_prob_hist_hasAns.csv, na_prob_hist_noAns.csv),
so that no plotting library is needed. From Python: `score` takes the parsed files.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from spanline.common import console
from spanline.common.errors import SpanlineError
from spanline.common.files import read_json, to_csv, write_text
from spanline.squad_v2 import curves
from spanline.squad_v2.scores import GoldTexts, question_scores
from spanline.squad_v2.sweep import NEVER, official_scores

HISTOGRAM_BINS = 20  # the official script's, over [0, 1]


def score(
    data: Any,
    predictions: Mapping[str, str],
    na_prob: Mapping[str, float] | None = None,
    na_prob_thresh: float = NEVER,
) -> dict[str, float]:
    """The official script's output for an official data file's content (v1.1 or v2.0); percent, totals are counts.

    Ids that are whole numbers are taken as the texts that they are as keys of a JSON file.
    """
    na_prob = None if na_prob is None else _by_text(na_prob)
    return official_scores(gold_of(data, "data"), _by_text(predictions), na_prob, na_prob_thresh)


def _by_text(values: Mapping[Any, Any]) -> dict[str, Any]:
    return {_id_text(qid): value for qid, value in values.items()}


def _id_text(qid: Any) -> str:
    """An id as a key of a JSON file: of a file with whole numbers as ids, predictions.json has their digits."""
    if type(qid) is int:
        return str(qid)
    if type(qid) is not str:
        raise TypeError(qid)
    return qid


def gold_of(data: Any, origin: str) -> GoldTexts:
    """The gold answers by question id, in file order. Reads nothing else: offsets and contexts may be wrong or absent.

    Raises SpanlineError that names `origin` when the data has another form or an id comes twice.
    """
    gold: GoldTexts = {}
    try:
        for question in _questions(data):
            qid, texts = _id_text(question["id"]), tuple(answer["text"] for answer in question["answers"])
            if qid in gold:
                raise SpanlineError(origin, f"question {qid!r} occurs twice", "give every question its own id")
            gold[qid] = texts
    except (TypeError, KeyError, AttributeError):
        what = "has not the form of an official SQuAD file (data, paragraphs, qas, id, answers, text)"
        raise SpanlineError(origin, what, "compare with dev-v2.0.json") from None
    return gold


def _questions(data: Any) -> Iterator[Any]:
    for article in data["data"]:
        for paragraph in article["paragraphs"]:
            yield from paragraph["qas"]


def picture_data(
    gold: GoldTexts, predictions: Mapping[str, str], na_prob: Mapping[str, float]
) -> tuple[dict[str, float], dict[str, str]]:
    """The average precisions that --out-image-dir adds to the output, and the pictures' numbers: file name -> CSV."""
    found = curves.precision_recall(gold, question_scores(gold, predictions), na_prob)
    texts = {f"{name}.csv": to_csv(("recall", "precision"), curve.points) for name, curve in found.items()}
    for name, has_answers in (("hasAns", True), ("noAns", False)):
        values = [na_prob[qid] for qid, texts_ in gold.items() if bool(texts_) is has_answers]
        if values:
            texts[f"na_prob_hist_{name}.csv"] = to_csv(("na_prob_from", "na_prob_to", "proportion"), _histogram(values))
    return curves.average_precisions(found), texts


def _histogram(values: Sequence[float]) -> list[tuple[float, float, float]]:
    """Bins of equal width over [0, 1], the last with 1 too, with the proportion of all values; others are left out."""
    counts = [0] * HISTOGRAM_BINS
    for value in values:
        if 0 <= value <= 1:
            counts[min(int(value * HISTOGRAM_BINS), HISTOGRAM_BINS - 1)] += 1
    edges = [number / HISTOGRAM_BINS for number in range(HISTOGRAM_BINS + 1)]
    return [(low, high, count / len(values)) for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)]


def main() -> None:
    args = _arguments()
    gold = gold_of(read_json(args.data_file, "check the path"), str(args.data_file))
    predictions = _read_object(args.pred_file)
    na_prob = _read_object(args.na_prob_file) if args.na_prob_file else None
    scores = official_scores(gold, predictions, na_prob, args.na_prob_thresh)
    if na_prob is not None and args.out_image_dir:
        average_precisions, texts = picture_data(gold, predictions, na_prob)
        scores |= average_precisions
        for name, text in texts.items():
            write_text(args.out_image_dir / name, text)
    if args.out_file:
        write_text(args.out_file, json.dumps(scores))
    else:
        sys.stdout.write(json.dumps(scores, indent=2) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="spanline-score", description=str(__doc__).partition("\n")[0])
    parser.add_argument("data_file", type=Path, metavar="DATA", help="official data file (JSON, v1.1 or v2.0)")
    parser.add_argument("pred_file", type=Path, metavar="PREDICTIONS", help="JSON: question id -> answer")
    parser.add_argument("--out-file", "-o", type=Path, help="write the scores here (default: stdout)")
    parser.add_argument("--na-prob-file", "-n", type=Path, help="JSON: question id -> probability of no answer")
    help_ = 'answer "" where the probability of no answer is above this (default: 1.0, nowhere)'
    parser.add_argument("--na-prob-thresh", "-t", type=float, default=NEVER, help=help_)
    help_ = "with --na-prob-file: write precision-recall curves and histograms here, as CSV"
    parser.add_argument("--out-image-dir", "-p", type=Path, help=help_)
    parser.add_argument("--verbose", "-v", action="store_true", help="accepted and ignored")
    return parser.parse_args()


def _read_object(path: Path) -> dict[str, Any]:
    content = read_json(path, "check the path")
    if not isinstance(content, dict):
        raise SpanlineError(path, "is not a JSON object by question id", "compare with the official format")
    return content


def command() -> None:
    """The console script `spanline-score`."""
    console.run(main)


if __name__ == "__main__":
    command()

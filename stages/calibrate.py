"""Calibrate: on the calibration split alone, find the no-answer threshold and the probability that goes with it."""

import argparse
from pathlib import Path

from spanline.calibrate import run
from spanline.calibrate.params import CalibrateParams
from spanline.common import console, environment, params
from spanline.common.files import to_json, write_text
from spanline.dataset.splits import read_contexts, read_gold
from spanline.no_answer.calibration import MODEL
from spanline.search import limits
from spanline.search.nbest import search_split
from spanline.search.params import AnswerSearchParams
from spanline.storage import features, logits

SECTION = "calibrate"
PARAMS = CalibrateParams


def main() -> None:
    """Load, calibrate, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--squad", type=Path, required=True, help="parquet file of the calibration split, in")
    parser.add_argument("--features", type=Path, required=True, help="its features, in")
    parser.add_argument("--logits", type=Path, required=True, help="its logits, in")
    parser.add_argument("--out", type=Path, required=True, help="threshold and probability map (JSON), out")
    args = parser.parse_args()

    p = params.load(args.params, SECTION, PARAMS)
    search = params.load(args.params, "answer_search", AnswerSearchParams)
    environment.require(args.params, "numpy", "scipy")
    manifest = features.manifest_of(args.features, args.squad)
    all_logits = logits.read(args.logits, manifest)
    best = search_split(features.read(manifest), all_logits, read_contexts(args.squad), 1, search)

    report = run.calibrate(best.rows(), read_gold(args.squad), p)

    write_text(args.out, to_json({**report.to_content(), MODEL: logits.model_of(args.logits)}))
    for line in filter(None, (limits.line(limits.limits(manifest, search)), run.summary(report))):
        console.say(line)


if __name__ == "__main__":
    environment.hide("pandas")
    console.run(main, lowers_memory="lower download.limits.calibration")

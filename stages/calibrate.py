"""Calibrate: on the calibration split alone, find the no-answer threshold and the probability that goes with it."""

import argparse
from pathlib import Path

from spanline import answers, calibrating, console, environment, examples, features, logits, params
from spanline.files import to_json, write_text

SECTION = "calibrate"
PARAMS = calibrating.CalibrateParams


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--squad", type=Path, required=True, help="parquet file of the calibration split, in")
    parser.add_argument("--features", type=Path, required=True, help="its features, in")
    parser.add_argument("--logits", type=Path, required=True, help="its logits, in")
    parser.add_argument("--out", type=Path, required=True, help="threshold and probability map (JSON), out")
    args = parser.parse_args()

    p = params.load(args.params, SECTION, PARAMS)
    search = params.load(args.params, "answer_search", answers.AnswerSearchParams)
    environment.require(args.params, "numpy", "scipy")
    manifest = features.manifest_of(args.features, args.squad)
    all_logits = logits.read(args.logits, manifest)
    found = answers.find(features.read(manifest), all_logits, examples.read_contexts(args.squad), 1, search).rows()

    result = calibrating.calibrate(found, examples.read_gold(args.squad), p.metric)
    write_text(args.out, to_json(result))
    console.say(calibrating.summary(result))


if __name__ == "__main__":
    environment.hide("pandas")
    console.run(main)

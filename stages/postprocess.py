"""Postprocess: logits -> one answer a question or "", its n-best list, and how unanswerable it looks."""

import argparse
from pathlib import Path

from spanline import answers, console, environment, examples, features, logits, params
from spanline.files import new_folder, to_json

SECTION = "postprocess"
PARAMS = answers.PostprocessParams


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--squad", type=Path, required=True, help="parquet file of the split, in")
    parser.add_argument("--features", type=Path, required=True, help="its features, in")
    parser.add_argument("--logits", type=Path, required=True, help="its logits, in")
    parser.add_argument("--calibration", type=Path, required=True, help="threshold and probability map, in")
    parser.add_argument("--out", type=Path, required=True, help="folder of answers (JSON files), out")
    args = parser.parse_args()

    p = params.load(args.params, SECTION, PARAMS)
    search = params.load(args.params, "answer_search", answers.AnswerSearchParams)
    environment.require(args.params, "numpy")
    calibration = answers.Calibration.read(args.calibration)
    threshold = answers.threshold_of(p, calibration)
    manifest = features.manifest_of(args.features, args.squad)
    all_logits = logits.read(args.logits, manifest)
    contexts = examples.read_contexts(args.squad)
    found = answers.find(features.read(manifest), all_logits, contexts, p.n_best_size, search)

    contents = answers.files(found, threshold, calibration)
    with new_folder(args.out) as out:
        for name, content in contents.items():
            (out / name).write_text(to_json(content), encoding="utf-8")
    console.say(answers.summary(contents["predictions.json"], threshold))


if __name__ == "__main__":
    console.run(main)

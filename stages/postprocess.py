"""Postprocess: logits -> one answer a question or "", its n-best list, and how unanswerable it looks."""

import argparse
from pathlib import Path

from spanline import answers, console, environment, examples, features, logits, params
from spanline.files import new_folder
from spanline.runtime import Runtime, num_cores

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
    workers = params.load(args.params, "runtime", Runtime).workers or num_cores()
    environment.require(args.params, "numpy", "orjson", "pyarrow")
    calibration = answers.Calibration.read(args.calibration)
    threshold = answers.threshold_of(p, calibration)
    manifest = features.manifest_of(args.features, args.squad)
    all_logits = logits.read(args.logits, manifest)
    contexts = examples.read_contexts(args.squad)
    all_features = features.read(manifest)

    found = answers.find(all_features, all_logits, contexts, p.n_best_size, search, workers)

    written = answers.files(found, answers.num_features(all_features), threshold, calibration)
    with new_folder(args.out) as out:
        for name, content in written.contents.items():
            (out / name).write_bytes(content)
        with (out / "nbest.json").open("wb") as file:
            file.writelines(answers.nbest_json(found, workers))
    console.say(answers.summary(written.predictions, threshold))


if __name__ == "__main__":
    environment.hide("pandas")
    console.run(main)

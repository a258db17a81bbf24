"""Postprocess: logits -> one answer per question or "", its n-best list, and how unanswerable it looks."""

import argparse
from pathlib import Path

from spanline.answers import HOLDS
from spanline.common import console, environment, params
from spanline.common.files import new_folder
from spanline.dataset.splits import read_contexts
from spanline.no_answer.calibration import UNKNOWN, Calibration, refuse_other_model
from spanline.postprocess import run
from spanline.postprocess.params import PostprocessParams, applied_threshold
from spanline.runtime import Runtime, num_cores
from spanline.search import limits
from spanline.search.nbest import search_split
from spanline.search.params import AnswerSearchParams
from spanline.storage import features, logits

SECTION = "postprocess"
PARAMS = PostprocessParams


def main() -> None:
    """Load, search, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--squad", type=Path, required=True, help="parquet file of the split, in")
    parser.add_argument("--features", type=Path, required=True, help="its features, in")
    parser.add_argument("--logits", type=Path, required=True, help="its logits, in")
    parser.add_argument("--calibration", type=Path, help="threshold and probability map, in; a number needs none")
    parser.add_argument("--out", type=Path, required=True, help="folder of answers (JSON files), out")
    args = parser.parse_args()

    p = params.load(args.params, SECTION, PARAMS)
    search = params.load(args.params, "answer_search", AnswerSearchParams)
    workers = params.load(args.params, "runtime", Runtime).workers or num_cores()
    environment.require(args.params, "numpy", "orjson", "pyarrow")
    calibration = Calibration.read(args.calibration) if args.calibration else UNKNOWN
    if args.calibration:
        refuse_other_model(args.calibration, logits.model_of(args.logits))
    threshold = applied_threshold(p, calibration)
    manifest = features.manifest_of(args.features, args.squad)
    all_logits = logits.read(args.logits, manifest)
    all_features = features.read(manifest)

    found = search_split(all_features, all_logits, read_contexts(args.squad), p.n_best_size, search, workers)

    limits_ = limits.limits(manifest, search)
    answers = run.answers(found, run.num_features(all_features), threshold, calibration, limits_)
    with new_folder(args.out, HOLDS) as out:
        run.write(out, answers, found, workers)
    for line in filter(None, (limits.line(limits_), run.summary(answers))):
        console.say(line)


if __name__ == "__main__":
    environment.hide("pandas")
    console.run(main, lowers_memory="lower runtime.workers or postprocess.n_best_size")

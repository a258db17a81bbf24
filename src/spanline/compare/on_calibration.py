"""A revision's answers to its calibration split, which settings may be chosen by: the split that scores are reported on
is no place to choose. They are in no output of the pipeline; the search takes them from the logits there."""

from __future__ import annotations

from spanline.dataset.splits import read_contexts
from spanline.no_answer.calibration import Calibration
from spanline.no_answer.rule import apply_threshold
from spanline.postprocess.run import num_features
from spanline.revisions import Revision
from spanline.search.nbest import search_split
from spanline.search.params import AnswerSearchParams
from spanline.storage import features, logits

STAGE, SPLIT = "calibrate", "calibration"


def answers(revision: Revision) -> tuple[dict[str, str], dict[str, int]]:
    """By question id: the answer at the revision's own calibrated threshold (0 where it has none), and how many
    features the question has. With the answer_search of that revision."""
    squad = revision.file(revision.output_of("download"), f"{SPLIT}.parquet")
    manifest = features.manifest_of(revision.folder(revision.output_of(f"featurize@{SPLIT}")), squad)
    data = features.read(manifest)
    scores = logits.read(revision.folder(revision.output_of(f"predict@{SPLIT}")), manifest)
    search = AnswerSearchParams(**revision.stage(STAGE)["params"]["params.yaml"]["answer_search"])
    found = search_split(data, scores, read_contexts(squad), 1, search)
    best = dict(zip(found.ids, found.best_texts(), strict=True))
    diffs = dict(zip(found.ids, found.score_diffs(), strict=True))
    threshold = Calibration.read(revision.whole(revision.output_of(STAGE))).null_score_diff_threshold
    return apply_threshold(best, diffs, threshold or 0.0), num_features(data)

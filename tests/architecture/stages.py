"""The stages, and which of them each parameter concerns: by what the code does, not by dvc.yaml."""

from __future__ import annotations

from tests.paths import ROOT

SCRIPTS = sorted(path.stem for path in (ROOT / "stages").glob("[a-z]*.py"))

# What an edit of each of these parameters re-runs directly; what follows from it depends on the bytes that come out.
FEATURIZE = {"featurize@train", "featurize@calibration", "featurize@validation"}
PREDICT = {"predict@calibration", "predict@validation"}
SECTIONS = {
    "download.seed": {"download", "report"},
    "checkpoint.path.folder": {"checkpoint", "report"},
    "featurize.rows_per_shard": FEATURIZE | {"report"},
    "train.weight_decay": {"train", "report"},
    "predict.tokens_per_batch": PREDICT | {"report"},
    "answer_search.max_answer_length": {"calibrate", "postprocess", "report"},
    "calibrate.metric": {"calibrate", "report"},
    "calibrate.unanswerable_share": {"calibrate", "report"},
    "postprocess.n_best_size": {"postprocess", "report"},
    "score.seed": {"score", "report"},
    "environment.datasets": {"download"},
    "environment.jinja2": {"report"},
    "environment.numpy": {"calibrate", "postprocess", "score", "report"},
    "environment.orjson": {"postprocess"},
    "environment.scipy": {"calibrate", "score"},
    "environment.pyarrow": {"download", "postprocess"} | FEATURIZE | PREDICT,
    "environment.tokenizers": FEATURIZE,
    "environment.torch": {"checkpoint", "train"} | PREDICT,
    "environment.transformers": {"checkpoint", "train"} | PREDICT,
    "runtime.workers": set(),
    "runtime.device": set(),
}

"""Answers to a file of questions as files, by the very functions of featurize, predict and postprocess.

The files are those of data/answers. For the questions of a split and the model of the pipeline they are the same bytes.
Everything in between lies in a scratch folder named after the inputs: a run that was stopped goes on there.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from spanline.answers import HOLDS
from spanline.ask import question_files
from spanline.ask.answering import DEFAULTS, Evaluated
from spanline.ask.locate import Located
from spanline.common.errors import SpanlineError
from spanline.common.files import claimed, new_folder, sha256
from spanline.dataset import splits
from spanline.featurize import run as featurize
from spanline.featurize.params import FeaturizeParams
from spanline.model import device, span_model
from spanline.model_folder import CONFIG, MANIFEST, TOKENIZER, WEIGHTS, check_manifest
from spanline.postprocess import run as postprocess
from spanline.predict import run as predict
from spanline.runtime import Runtime, num_cores
from spanline.search.nbest import search_split
from spanline.storage import features, logits
from spanline.storage.shards import Manifest


@dataclass(frozen=True)
class Task:
    """What to answer, and how."""

    questions: Path
    kind: str  # a key of question_files.FORMATS, or auto
    model: Located
    threshold: str | float | None  # logits, or calibrated; None: the one that the model was scored with
    runtime: Runtime
    scratch: Path


def write_answers(task: Task, out: Path) -> str:
    """Write the files of data/answers into the folder `out`; returns the last line, for people.

    SpanlineError for a mistake in the questions, for a folder without a model, for a threshold that is not known.
    """
    _require_inputs(task)
    with claimed(out, HOLDS):
        return _write_answers(task, out)


def _write_answers(task: Task, out: Path) -> str:
    known = task.model.known or default_settings(task.model.folder)
    threshold = _threshold(task, known)
    work = task.scratch / "answer" / _key(task, known)
    split = work / "questions.parquet"
    splits.write(split, question_files.read(task.questions, task.kind))
    job = featurize.Job(split, task.model.folder / TOKENIZER, known.featurize)
    featurize.write_features(job, task.model.folder / CONFIG, work / "features", task.runtime)
    manifest = features.manifest(work / "features")
    _predict(task, known, manifest, work / "logits")
    line = _postprocess(task, known, threshold, work, out)
    shutil.rmtree(work)
    with suppress(OSError):  # another run's folder is in there
        work.parent.rmdir()
        task.scratch.rmdir()
    return line


def default_settings(folder: Path) -> Evaluated:
    """For a model of which nothing is known: those of the repository's params.yaml, as long as it has positions."""
    positions = featurize.model_positions(folder / CONFIG)
    if positions is None or positions >= DEFAULTS.featurize.max_length:
        return DEFAULTS
    sizes = {"max_length": positions, "doc_stride": positions // 4, "max_question_length": positions // 4}
    shorter = FeaturizeParams(**{**DEFAULTS.featurize.model_dump(), **sizes})
    return Evaluated(**{**vars(DEFAULTS), "featurize": shorter})


def _threshold(task: Task, known: Evaluated) -> float:
    if task.threshold is None:
        return known.threshold
    if task.threshold != "calibrated":
        return float(task.threshold)
    calibrated = known.calibration.null_score_diff_threshold
    if calibrated is None:
        raise SpanlineError("--threshold", "is calibrated, but no calibration lies with the model", "give a number")
    return calibrated


def _require_inputs(task: Task) -> None:
    if not task.questions.is_file():
        next(question_files.read(task.questions, task.kind))  # says what is wrong
    for name in (CONFIG, WEIGHTS, TOKENIZER):
        if not (task.model.folder / name).is_file():
            todo = "name a model's folder, or a model of the hub: --model; data/model is there after dvc repro"
            raise SpanlineError(task.model.folder / name, "there is no such file", todo)
    if (task.model.folder / MANIFEST).is_file():  # a model that was trained here, or a release of one
        check_manifest(task.model.folder)


def _key(task: Task, known: Evaluated) -> str:
    """Of the questions and of all that shapes features; the model's own part is in the folder of `predict.points`."""
    tokenizer = task.model.folder / TOKENIZER
    parts = [sha256(task.questions), sha256(tokenizer), known.featurize.model_dump()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _predict(task: Task, known: Evaluated, manifest: Manifest, out: Path) -> None:
    """As stages/predict.py does it."""
    folder, p = task.model.folder, known.predict
    where = device.prepare(task.runtime.device, 1, p.precision, p.deterministic, p.instructions)
    spans = span_model.load(folder)
    span_model.refuse_mismatch(spans, folder, manifest, "name the folder of one model: --model")
    points = predict.points(task.scratch, p, manifest, folder, where)
    predict.write_logits(spans, folder / WEIGHTS, manifest, p, task.runtime, where, points, out)


def _postprocess(task: Task, known: Evaluated, threshold: float, work: Path, out: Path) -> str:
    """As stages/postprocess.py does it."""
    workers = task.runtime.workers or num_cores()
    manifest = features.manifest_of(work / "features", work / "questions.parquet")
    all_logits, all_features = logits.read(work / "logits", manifest), features.read(manifest)
    contexts = splits.read_contexts(work / "questions.parquet")
    size = known.postprocess.n_best_size
    found = search_split(all_features, all_logits, contexts, size, known.answer_search, workers)
    answers = postprocess.answers(found, postprocess.num_features(all_features), threshold, known.calibration)
    with new_folder(out, HOLDS) as folder:
        postprocess.write(folder, answers, found, workers)
    return postprocess.summary(answers)

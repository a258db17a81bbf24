"""What the two sides of a comparison name: revisions, experiments, folders of answers, official predictions files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spanline import revisions
from spanline.answers import FILES
from spanline.common.errors import SpanlineError
from spanline.common.files import read_json
from spanline.compare.difference import Split
from spanline.dataset import splits
from spanline.dataset.records import Example
from spanline.download import formats
from spanline.revisions import Revision

PREDICTIONS, NUM_FEATURES = FILES["predictions"], FILES["num_features"]


@dataclass(frozen=True)
class Run:
    """The answers of one model."""

    name: str
    predictions: Mapping[str, str]
    num_features: Mapping[str, int] | None  # None: answers of another tool
    revision: Revision | None  # None: files


@dataclass(frozen=True)
class Side:
    """A or B: one run, or a set of runs that differ in their seed."""

    name: str
    runs: Sequence[Run]


def read_side(text: str, project: Path, scratch: Path, on: Split = "validation") -> Side:
    """`text`: names with commas between them, or patterns such as `seed-*`; a path wins over a revision of its name.
    SpanlineError for files `on` calibration."""
    runs: list[Run] = []
    if Path(text).exists():  # a path may have commas
        return Side(text, [_of_files(Path(text), on)])
    for name in filter(None, (part.strip() for part in text.split(","))):
        path = Path(name)
        if path.exists():
            runs.append(_of_files(path, on))
        else:
            runs += [_of_revision(revision, on) for revision in revisions.find(project, name, scratch)]
    if not runs:
        raise SpanlineError("spanline compare", "an empty name", "see spanline compare --help")
    return Side(text, runs)


def _of_files(path: Path, on: Split) -> Run:
    """A folder as postprocess writes it, or a file in the official format: question id -> answer."""
    if on == "calibration":
        what = "is no git revision or DVC experiment, which alone have a calibration split"
        raise SpanlineError(path, what, "compare files on validation")
    if not path.is_dir():
        return Run(str(path), _object(path), None, None)
    counts = path / NUM_FEATURES
    return Run(str(path), _object(path / PREDICTIONS), _object(counts) if counts.exists() else None, None)


def _of_revision(revision: Revision, on: Split) -> Run:
    if on == "calibration":
        from spanline.compare import on_calibration

        return Run(revision.name, *on_calibration.answers(revision), revision)
    files = revision.files(revision.output_of("postprocess"), [PREDICTIONS, NUM_FEATURES])
    return Run(revision.name, _object(files[PREDICTIONS]), _object(files[NUM_FEATURES]), revision)


def _object(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = read_json(path, "give predictions.json, or a folder that holds one")
    if not isinstance(content, dict):
        raise SpanlineError(path, "is not a JSON object by question id", "compare with the official format")
    return content


def read_examples(squad: Path | None, sides: Sequence[Side], project: Path, on: Split = "validation") -> list[Example]:
    """The questions with their gold answers: of `squad` (official JSON or a split in parquet), or the revisions' own.

    SpanlineError when two revisions were scored on different questions, or when nothing says which they were.
    """
    if squad is not None:
        return list(splits.read(squad) if _is_parquet(squad) else formats.read_official(squad, str(squad)))
    named = [run.revision for side in sides for run in side.runs if run.revision is not None]
    if not named:
        named = revisions.find(project, "HEAD", project)
    first, others = named[0], [each for each in named if _split_of(each, on)[2] != _split_of(named[0], on)[2]]
    if others:
        did, todo = "scored", "give --squad with questions that both have answered"
        if on == "calibration":
            did, todo = "calibrated", "compare revisions of one calibration split"
        raise SpanlineError(others[0].name, f"was {did} on other questions than {first.name}", todo)
    folder, name, _ = _split_of(first, on)
    examples = list(splits.read(first.file(folder, name)))
    if not examples:
        raise SpanlineError(f"{first.name}: {folder}/{name}", "has no questions", "raise download.calibration_fraction")
    return examples


def _is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PAR1"
    except FileNotFoundError:
        raise SpanlineError(path, "there is no such file", "check --squad") from None


def _split_of(revision: Revision, on: Split) -> tuple[str, str, str]:
    """The split that a revision was scored or calibrated on: output folder, file in it, MD5."""
    folder = revision.output_of("download")
    for dep in revision.stage("score" if on == "validation" else "calibrate")["deps"]:
        if dep["path"].startswith(f"{folder}/"):
            return folder, dep["path"].removeprefix(f"{folder}/"), dep["md5"]
    raise SpanlineError(revision.name, "its dvc.lock does not say what was scored", "give --squad")


def features_of(sides: Sequence[Side]) -> Mapping[str, int] | None:
    """Features per question, where all runs have cut them alike; else there are no slices by it."""
    counts = [run.num_features for side in sides for run in side.runs]
    first = counts[0]
    return first if first is not None and all(json.dumps(c) == json.dumps(first) for c in counts) else None

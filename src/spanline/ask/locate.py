"""Where a model is and what belongs to it: its folder, and the settings and the calibration that it was scored with.

A model is named by a folder (one that the pipeline made, a release, any in the Hugging Face layout) or by its name on
the Hugging Face hub. Beside it are found, in this order: what the caller names, a release's answering.json, the
params.yaml and data/calibration.json of the project whose data/model it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from spanline import checkpoint
from spanline.ask import answering
from spanline.ask.answering import Evaluated
from spanline.common.errors import SpanlineError

_HUB_NAME = re.compile(r"(?P<name>[\w-][\w.-]*/[\w-][\w.-]*)(?:@(?P<revision>[\w./-]+))?", flags=re.ASCII)
PARAMS, CALIBRATION = "params.yaml", "data/calibration.json"
OF_PROJECT = Path("data/model")  # what `dvc repro` makes: never a name on the hub, also where it has not run yet


@dataclass(frozen=True)
class Located:
    """A model that can be loaded."""

    folder: Path
    known: Evaluated | None  # None: nothing is known of how it was scored


def locate(model: str | Path, params: str | Path | None = None, calibration: str | Path | None = None) -> Located:
    """The model that `model` names: a folder, or OWNER/NAME of the hub, with @REVISION if not the newest is meant.

    `params` and `calibration`: its params.yaml and calibration.json, both or none. SpanlineError for what is not there.
    """
    folder = _folder(model)
    if not (folder / answering.ANSWERING).is_file():
        answering.refuse_other_code(folder)
    if params is not None and calibration is not None:
        return Located(folder, answering.of_project(Path(params), Path(calibration)))
    if params is not None or calibration is not None:
        raise SpanlineError("load", "got only one of params and calibration", "give both; they belong together")
    if (folder / answering.ANSWERING).is_file():
        return Located(folder, answering.of_release(folder / answering.ANSWERING))
    project = project_of(folder)
    if project is None:
        return Located(folder, None)
    return Located(folder, answering.of_project(project / PARAMS, project / CALIBRATION))


def project_of(folder: Path) -> Path | None:
    """The root of the project whose data/model the folder is, if params.yaml and the calibration are there."""
    real = folder.resolve()
    root = real.parent.parent
    is_there = (root / PARAMS).is_file() and (root / CALIBRATION).is_file()
    return root if (real.parent.name, real.name) == ("data", "model") and is_there else None


def _folder(model: str | Path) -> Path:
    folder = Path(model)
    match = _HUB_NAME.fullmatch(model) if isinstance(model, str) else None
    if folder.exists() or match is None or folder.parent.exists() or folder == OF_PROJECT:
        return folder
    todo = "give a folder, or a name on the hub and a network that reaches it (HF_ENDPOINT names a mirror)"
    return checkpoint.from_hub(match["name"], match["revision"], (answering.ANSWERING,), todo)

"""How the pipeline answers when it is scored: the settings and the calibration that `ask` needs to do the same.

They are in params.yaml and calibration.json, or together in the one file `answering.json` of a released model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import spanline
from spanline.common.errors import SpanlineError
from spanline.common.files import read_json
from spanline.common.params import Section, check, read_yaml
from spanline.featurize.params import FeaturizeParams
from spanline.no_answer.calibration import Calibration
from spanline.postprocess.params import PostprocessParams, applied_threshold
from spanline.search.params import AnswerSearchParams

ANSWERING = "answering.json"
SECTIONS: dict[str, type[Section]] = {
    "featurize": FeaturizeParams,
    "answer_search": AnswerSearchParams,
    "postprocess": PostprocessParams,
}
_TODO = "make the release anew: spanline release"


@dataclass(frozen=True)
class Evaluated:
    """The sections of params.yaml that shape an answer, and what the calibration split taught."""

    featurize: FeaturizeParams
    answer_search: AnswerSearchParams
    postprocess: PostprocessParams
    calibration: Calibration

    @property
    def threshold(self) -> float:
        """The threshold (logits) that the scored answers were cut at; SpanlineError if there is none."""
        return applied_threshold(self.postprocess, self.calibration)


def refuse_other_code(path: Path) -> None:
    """SpanlineError when the model or project at `path` lies in a tree of Spanline whose code is not the one that runs.

    Its own code made and scored it. Python may have found another tree's, which pip installed as editable.
    """
    ours = Path(str(spanline.__file__))
    for folder in (path.resolve() / "_").parents:
        theirs = folder / "src" / "spanline" / "__init__.py"
        if (folder / "dvc.yaml").is_file() and theirs.is_file() and not theirs.samefile(ours):
            what = f"has its own code, and here runs that of {ours.parent}"
            raise SpanlineError(folder, what, f"set PYTHONPATH={folder / 'src'} and start it again")


def of_project(params: Path, calibration: Path) -> Evaluated:
    """Those of a project folder: its params.yaml and data/calibration.json."""
    return of_sections(params, read_yaml(params), Calibration.read(calibration))


def of_release(path: Path) -> Evaluated:
    """Those of a released model's answering.json; SpanlineError for what `to_content` did not write."""
    content = read_json(path, _TODO)
    if not isinstance(content, dict) or "calibration" not in content:
        raise SpanlineError(path, "holds no calibration", _TODO)
    return of_sections(path, content, Calibration.of(content["calibration"], path, _TODO))


def of_sections(origin: Path, content: Mapping[str, Any], calibration: Calibration) -> Evaluated:
    """Those of the parsed sections of the file `origin`; SpanlineError for one that is missing or wrong."""
    missing = [name for name in SECTIONS if name not in content]
    if missing:
        raise SpanlineError(origin, f"section '{missing[0]}' is missing", "take the file that belongs to the model")
    sections: dict[str, Any] = {name: check(origin, name, content[name], kind) for name, kind in SECTIONS.items()}
    return Evaluated(**sections, calibration=calibration)


def to_content(evaluated: Evaluated) -> dict[str, Any]:
    """The content of answering.json."""
    sections = {name: getattr(evaluated, name).model_dump() for name in SECTIONS}
    return {**sections, "calibration": vars(evaluated.calibration)}

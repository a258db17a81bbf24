"""How the pipeline answers when it is scored: the settings and the calibration that `ask` needs to do the same.

They stand in params.yaml and calibration.json, or together in the one file `answering.json` of a released model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spanline.answers import AnswerSearchParams, Calibration, PostprocessParams, threshold_of
from spanline.errors import SpanlineError
from spanline.featurizing import FeaturizeParams
from spanline.files import read_json
from spanline.params import Section, check, load

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
        return threshold_of(self.postprocess, self.calibration)


def of_project(params: Path, calibration: Path) -> Evaluated:
    """Those of a project folder: its params.yaml and data/calibration.json."""
    sections: dict[str, Any] = {name: load(params, name, model) for name, model in SECTIONS.items()}
    return Evaluated(**sections, calibration=Calibration.read(calibration))


def of_release(path: Path) -> Evaluated:
    """Those of a released model's answering.json; SpanlineError for what `to_content` did not write."""
    content = read_json(path, _TODO)
    missing = [name for name in (*SECTIONS, "calibration") if name not in content] if isinstance(content, dict) else []
    if not isinstance(content, dict) or missing:
        raise SpanlineError(path, f"lacks {missing[0]}" if missing else "is no JSON object", _TODO)
    sections: dict[str, Any] = {name: check(path, name, content[name], model) for name, model in SECTIONS.items()}
    return Evaluated(**sections, calibration=Calibration.of(content["calibration"], path, _TODO))


def to_content(evaluated: Evaluated) -> dict[str, Any]:
    """The content of answering.json."""
    sections = {name: getattr(evaluated, name).model_dump() for name in SECTIONS}
    return {**sections, "calibration": vars(evaluated.calibration)}

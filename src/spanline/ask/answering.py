"""How the pipeline answers when it is scored: the settings and the calibration that `ask` needs to do the same.

They are in params.yaml and calibration.json, or together in the one file `answering.json` of a released model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import spanline
from spanline.common.errors import SpanlineError
from spanline.common.files import read_json
from spanline.common.params import Section, check, read_yaml
from spanline.featurize.params import FeaturizeParams
from spanline.no_answer.calibration import UNKNOWN, Calibration
from spanline.postprocess.params import PostprocessParams, applied_threshold
from spanline.predict.params import PredictParams
from spanline.search.params import AnswerSearchParams

ANSWERING = "answering.json"
SECTIONS: dict[str, type[Section]] = {
    "featurize": FeaturizeParams,
    "answer_search": AnswerSearchParams,
    "postprocess": PostprocessParams,
    "predict": PredictParams,
}

_TODO = "make the release anew: spanline release"


@dataclass(frozen=True)
class Evaluated:
    """The sections of params.yaml that shape an answer, and what the calibration split taught."""

    featurize: FeaturizeParams
    answer_search: AnswerSearchParams
    postprocess: PostprocessParams
    predict: PredictParams
    calibration: Calibration
    is_demonstration: bool = False  # trained on Spanline's own invented articles

    @property
    def threshold(self) -> float:
        """The threshold (logits) that the scored answers were cut at; SpanlineError if there is none."""
        return applied_threshold(self.postprocess, self.calibration)


DEFAULTS = Evaluated(  # for a model of which nothing is known
    FeaturizeParams(max_length=384, doc_stride=128, max_question_length=64, long_questions="cut", rows_per_shard=8192),
    AnswerSearchParams(max_answer_length=30, max_context=False, top_n=None),
    PostprocessParams(n_best_size=20, null_score_diff_threshold=0.0),
    PredictParams(tokens_per_batch=1024, precision="float32", instructions="avx2", deterministic=True),
    UNKNOWN,
)


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
    known = of_sections(params, read_yaml(params), Calibration.read(calibration))
    dataset, trained = (_if_there(params.parent / name) for name in ("data/squad/dataset.json", "metrics/train.json"))
    return replace(known, is_demonstration=is_demonstration(dataset, trained))


def is_demonstration(dataset: Mapping[str, Any], trained: Mapping[str, Any]) -> bool:
    """Whether dataset.json and metrics/train.json are of a model that knows invented articles only."""
    return dataset.get("source") == "synthetic" and trained.get("head") != "kept"


def _if_there(path: Path) -> dict[str, Any]:
    content = read_json(path, _TODO) if path.is_file() else {}
    return content if isinstance(content, dict) else {}


# releases made before this section belonged to them were scored with it
_OF_OLDER = {"predict": DEFAULTS.predict.model_dump()}


def of_release(path: Path) -> Evaluated:
    """Those of a released model's answering.json; SpanlineError for what `to_content` did not write."""
    content = read_json(path, _TODO)
    if not isinstance(content, dict) or "calibration" not in content:
        raise SpanlineError(path, "holds no calibration", _TODO)
    known = of_sections(path, {**_OF_OLDER, **content}, Calibration.of(content["calibration"], path, _TODO))
    return replace(known, is_demonstration=content.get("is_demonstration") is True)


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
    more = {"calibration": vars(evaluated.calibration), "is_demonstration": evaluated.is_demonstration}
    return {**sections, **more}

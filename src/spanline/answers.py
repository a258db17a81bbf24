"""The folder data/answers: one declaration for postprocess, which writes it, and for all who read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from spanline.common.errors import SpanlineError
from spanline.common.files import is_number, read_json, shortened

FILES = {  # field of `Answers` -> its file
    "predictions": "predictions.json",  # these three as the official script and Hugging Face's tools name them
    "score_diff": "null_odds.json",
    "na_prob": "na_prob.json",
    "best_spans": "best_spans.json",
    "num_features": "num_features.json",
    "thresholds": "thresholds.json",
    "limits": "limits.json",
}
NBEST = "nbest.json"  # lies beside them; `postprocess.nbest_json` says what is in it
HOLDS = (*FILES.values(), NBEST)
_MAKE_ANEW = "make it anew: dvc repro -s -f postprocess"


@dataclass(frozen=True)
class Thresholds:
    """Of score_diff, in logits."""

    applied: float  # what predictions.json was made with
    calibrated: float | None  # None: no calibration split


@dataclass(frozen=True)
class Limits:
    """What the answer search could not find, however good the model."""

    max_answer_length: int  # tokens, of section answer_search
    answers_longer: int  # answerable questions of the split all of whose gold answers are longer


@dataclass(frozen=True)
class Answers:
    """What postprocess says of a split, each mapping by question id. A question without a legal span has best span "",
    score_diff None and na_prob 1."""

    predictions: Mapping[str, str]  # at the applied threshold
    best_spans: Mapping[str, str]
    score_diff: Mapping[str, float | None]  # logits; None: no legal span
    na_prob: Mapping[str, float]
    num_features: Mapping[str, int]
    thresholds: Thresholds
    limits: Limits | None = None  # None: nobody counted (features of before); there is no file then

    def contents(self) -> dict[str, Any]:
        """File name -> what its JSON says."""
        values = vars(self) | {"thresholds": asdict(self.thresholds)}
        values["limits"] = asdict(self.limits) if self.limits else None
        return {file: values[name] for name, file in FILES.items() if values[name] is not None}

    @staticmethod
    def read(folder: Path) -> Answers:
        """SpanlineError where a file is missing or is no JSON of its kind, and for a value that is not of its kind."""
        limits = folder / FILES["limits"]
        values: dict[str, Any] = {
            name: _read_object(folder / file) for name, file in FILES.items() if name != "limits" or limits.is_file()
        }
        for field, is_right in _VALUES.items():
            _refuse_others(folder / FILES[field], values[field], is_right)
        values["thresholds"] = _thresholds(values["thresholds"], folder / FILES["thresholds"])
        if "limits" in values:
            values["limits"] = _limits(values["limits"], limits)
        return Answers(**values)


_VALUES: dict[str, Callable[[Any], bool]] = {  # field -> what each of its values must be
    "predictions": lambda value: isinstance(value, str),
    "best_spans": lambda value: isinstance(value, str),
    "score_diff": lambda value: value is None or is_number(value),
    "na_prob": lambda value: is_number(value) and 0 <= value <= 1,
    "num_features": lambda value: type(value) is int and value > 0,
}


def _refuse_others(path: Path, content: Mapping[str, Any], is_right: Callable[[Any], bool]) -> None:
    wrong = next((qid for qid, value in content.items() if not is_right(value)), None)
    if wrong is not None:
        what = f"is {shortened(repr(content[wrong]))}, no value of this file"
        raise SpanlineError(f"{path}, question {wrong}", what, _MAKE_ANEW)


def _read_object(path: Path) -> dict[str, Any]:
    content = read_json(path, "run the stage that makes it: dvc repro postprocess")
    if not isinstance(content, dict):
        raise SpanlineError(path, "is not a JSON object", _MAKE_ANEW)
    return content


def _thresholds(content: dict[str, Any], path: Path) -> Thresholds:
    applied: Any = content.get("applied")
    calibrated: Any = content.get("calibrated")
    if not is_number(applied) or not (calibrated is None or is_number(calibrated)):
        raise SpanlineError(path, "has no thresholds in logits", _MAKE_ANEW)
    return Thresholds(applied, calibrated)


def _limits(content: dict[str, Any], path: Path) -> Limits:
    values = [content.get(field.name) for field in fields(Limits)]
    if not all(type(value) is int and value >= 0 for value in values):
        raise SpanlineError(path, "does not say what the answer search leaves out", _MAKE_ANEW)
    return Limits(content["max_answer_length"], content["answers_longer"])

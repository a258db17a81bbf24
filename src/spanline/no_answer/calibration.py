"""What the calibration split taught, and calibration.json: one declaration for its writer and all its readers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from spanline.common.errors import SpanlineError
from spanline.common.files import is_number, read_json, shortened

MODEL = "model"  # in calibration.json: SHA-256 of the weights that the logits came from


@dataclass(frozen=True)
class Calibration:
    """The threshold (None without a calibration split) and the map from score_diff to a probability of no answer."""

    null_score_diff_threshold: float | None  # logits
    slope: float  # per logit; P(no answer) = 1 / (1 + exp(-(slope * score_diff + intercept)))
    intercept: float  # log odds

    @staticmethod
    def read(path: Path) -> Calibration:
        """Of a file that the calibrate stage wrote."""
        content = read_json(path, "run the stage that makes it: dvc repro calibrate")
        return Calibration.of(content, path, "make it anew: dvc repro -s -f calibrate")

    @staticmethod
    def of(content: Any, origin: Path, todo: str) -> Calibration:
        """Of the parsed content of the file `origin`; other keys are ignored. SpanlineError for what is no number, and
        for a slope that does not rise."""
        if not isinstance(content, dict) or any(field.name not in content for field in fields(Calibration)):
            raise SpanlineError(origin, "is no calibration", todo)
        found = Calibration(*(content[field.name] for field in fields(Calibration)))
        threshold = found.null_score_diff_threshold
        for name, is_right in (
            ("null_score_diff_threshold", threshold is None or is_number(threshold)),
            ("slope", is_number(found.slope) and found.slope > 0),
            ("intercept", is_number(found.intercept)),
        ):
            if not is_right:
                shown = shortened(repr(getattr(found, name)))
                raise SpanlineError(origin, f"its {name} is {shown}, which no calibration has", todo)
        return found


UNKNOWN = Calibration(None, 1.0, 0.0)  # nothing was learned: no threshold, the plain logistic curve


def refuse_other_model(path: Path, model: str) -> None:
    """SpanlineError where the calibration file `path` says that it comes from other weights than those of SHA-256
    `model`: a threshold is of one model's logits."""
    content = read_json(path, "run the stage that makes it: dvc repro calibrate")
    if content.get(MODEL, model) != model:
        what = "was made from the logits of another model than the validation split's"
        raise SpanlineError(path, what, "predict both splits with one model, and calibrate anew: dvc repro")


@dataclass(frozen=True)
class CalibrationReport:
    """A calibration and how it came about: all that calibration.json says."""

    calibration: Calibration
    questions: int  # with a legal span: the others are answered "" at any threshold
    metric: str  # f1 or exact: what the threshold maximises
    unanswerable_share: float | None  # to which the questions were weighted; None: as they are
    at_threshold: float | None  # that metric on the calibration split, percent; None without questions
    at_0: float | None  # the same at threshold 0
    fallback_reason: str | None  # why slope and intercept are the plain curve's, if they are

    def to_content(self) -> dict[str, Any]:
        """The content of calibration.json."""
        scores = {f"{self.metric}_at_threshold": self.at_threshold, f"{self.metric}_at_0": self.at_0}
        return {
            "questions": self.questions,
            "metric": self.metric,
            "unanswerable_share": self.unanswerable_share,
            "fallback_reason": self.fallback_reason,
            **asdict(self.calibration),
            **{name: score for name, score in scores.items() if score is not None},
        }

"""What the page's first tab says in words and tables: which model, how good, how sure of it."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from spanline.common.errors import SpanlineError
from spanline.common.files import read_json
from spanline.common.params import read_yaml, remember
from spanline.dataset.records import Example
from spanline.report.figures import FIGURES, Row
from spanline.report.questions import KINDS, Run

# Sections of params.yaml that the page shows where they differ from those that Spanline comes with.
SHOWN = (
    "answer_search",
    "calibrate",
    "checkpoint",
    "download",
    "featurize",
    "postprocess",
    "predict",
    "score",
    "train",
)
PAGE = Path(__file__).parent / "page"
_BLOCKS = {"download": ("files", "hub", "synthetic"), "checkpoint": ("package", "path", "hub")}


@dataclass(frozen=True)
class Facts:
    """The pipeline's files that tell about a run as a whole."""

    params: Mapping[str, Any]  # sections of params.yaml
    dataset: Mapping[str, Any]  # data/squad/dataset.json
    statistics: Mapping[str, Any]  # data/squad/statistics.json
    trained: Mapping[str, Any]  # metrics/train.json
    scores: Mapping[str, Any]  # metrics/scores.json
    scores_md5: str  # of that file, as dvc.lock has it
    tables: Mapping[str, Sequence[Row]]  # path -> rows, of every CSV file that is drawn

    @staticmethod
    def read(params: Path, shown: Collection[str], squad: Path, metrics: Path) -> Facts:
        """From these sections of params.yaml and the folders data/squad and metrics."""

        def content(path: Path) -> Any:
            return read_json(path, "run the stage that makes it: dvc repro")

        scores = metrics / "scores.json"
        sections = {name: section for name, section in read_yaml(params).items() if name in shown}
        for name, section in sections.items():
            remember(params, name, section)
        return Facts(
            params=sections,
            dataset=content(squad / "dataset.json"),
            statistics=content(squad / "statistics.json"),
            trained=content(metrics / "train.json"),
            scores=content(scores),
            scores_md5=hashlib.md5(scores.read_bytes(), usedforsecurity=False).hexdigest(),
            tables={figure.file: _rows(metrics / figure.file.removeprefix("metrics/")) for figure in FIGURES},
        )


def encoder(params: Mapping[str, Any]) -> tuple[str, str]:
    """Name and revision (or "") of the encoder, by section `checkpoint`. Not from data/checkpoint: a colleague who has
    one file of that folder only, for the page, has a changed folder in DVC's eyes, and would train anew."""
    section = params.get("checkpoint")
    if section is None:
        return "", ""
    source = section[section["source"]]
    if section["source"] == "package":
        return source["distribution"], source["version"]
    return (source["name"], source["revision"]) if section["source"] == "hub" else (Path(source["folder"]).name, "")


def _rows(path: Path) -> list[Row]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        raise SpanlineError(path, "there is no such file", "run the stage that makes it: dvc repro") from None


def dataset_name(dataset: Mapping[str, Any], split: str | None = None) -> str:
    """The embedded corpus, the hub's name of it, or the files' names (the one of a split)."""
    if dataset["source"] == "synthetic":
        return "the embedded corpus"
    if dataset["source"] == "hub":
        return str(dataset["read"]["name"])
    named = {name: str(read["file"]) for name, read in dataset["read"].items()}
    return named[split] if split in named else " and ".join(dict.fromkeys(named.values()))


def differences(params: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(key, value, the value of the params.yaml that Spanline comes with) where the two differ; sources that were not
    read are left out, and of a path only the name is shown."""
    sources = {name: section.get("source") for name, section in params.items() if isinstance(section, Mapping)}
    usual = dict(_leaves(_used(read_yaml(PAGE / "defaults.yaml"), sources)))
    shown = dict(_leaves(_used(params, sources)))
    return [
        (key, _said(key, value), _said(key, usual.get(key))) for key, value in shown.items() if value != usual.get(key)
    ]


def _used(params: Mapping[str, Any], sources: Mapping[str, Any]) -> dict[str, Any]:
    """The sections without what no stage read: blocks of other sources."""
    sections = dict(params)
    for name, blocks in _BLOCKS.items():
        section = sections.get(name)
        if isinstance(section, Mapping):
            unread = set(blocks) - {sources.get(name)}
            sections[name] = {key: value for key, value in section.items() if key not in unread}
    return sections


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def _said(key: str, value: Any) -> str:
    if value is None:
        return "null" if key else "\N{EM DASH}"
    if isinstance(value, str) and key.endswith((".path", ".folder")):
        return PurePosixPath(value.partition("?")[0]).name
    if isinstance(value, str) and len(value) == 64:
        return f"{value[:12]}..."  # a SHA-256
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class ScoreRow:
    """Scores at one threshold, as the page shows them: percent, the threshold in logits."""

    name: str
    cells: tuple[str, ...]  # exact, f1, f1 of answerable and of unanswerable questions, threshold
    is_applied: bool


_SECTIONS = {"at_threshold_0": "threshold 0", "at_calibrated_threshold": "calibrated threshold"}


def score_rows(scores: Mapping[str, Any]) -> list[ScoreRow]:
    """A row per threshold; the one that the answers were written at is marked, and added where it is another."""
    applied = scores["answers"]["null_score_diff_threshold"]
    rows = [_score_row(name, scores[key], applied) for key, name in _SECTIONS.items() if key in scores]
    if not any(row.is_applied for row in rows):
        rows.append(_score_row("threshold of params.yaml", scores["answers"], applied))
    oracle = scores["at_oracle_threshold"]
    cells = (_percent(oracle["exact"]), _percent(oracle["f1"]), "", "", _logits(oracle["f1_null_score_diff_threshold"]))
    return [*rows, ScoreRow("oracle threshold (tuned on these very questions)", cells, False)]


def _score_row(name: str, section: Mapping[str, float], applied: float) -> ScoreRow:
    keys = ("exact", "f1", "HasAns_f1", "NoAns_f1")
    threshold = section["null_score_diff_threshold"]
    cells = (*(_percent(section.get(key)) for key in keys), _logits(threshold))
    return ScoreRow(name, cells, threshold == applied)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _logits(value: float) -> str:
    return f"{value:.3f}".replace("-", "\N{MINUS SIGN}")


def kind_counts(examples: Sequence[Example], run: Run) -> list[tuple[str, int, float]]:
    """(kind, questions, share in percent), in the order of KINDS."""
    found = [run.kind(example) for example in examples]
    return [(kind, found.count(kind), 100.0 * found.count(kind) / len(found)) for kind in KINDS]


def calibration_sentence(scores: Mapping[str, Any]) -> str:
    """How far the no-answer probability and the threshold are to be trusted, in words."""
    quality = scores["no_answer_probability"]
    error, brier = 100 * quality["expected_calibration_error"], quality["brier_score"]
    verdict = "is close to what happens" if error < 3 else "is roughly right" if error < 8 else "is not to be trusted"
    text = f"The no-answer probability {verdict}: it is off by {error:.1f} points on average (Brier score {brier:.3f})."
    used, oracle = scores["answers"]["f1"], scores["at_oracle_threshold"]
    # what the sweep's threshold reaches may differ from the sweep's own figure: ties, articles given as answers
    lost = max(oracle["f1"], oracle["f1_reached"], used) - used
    if lost < 0.005:
        return f"{text} No other threshold would have given a higher F1 here."
    return f"{text} The best threshold for these very questions would have given {lost:.2f} more F1."


def interval(scores: Mapping[str, Any], key: str) -> str:
    """`82.8 to 87.5`, or nothing where there is none."""
    found = scores.get("intervals_95_percent", {})
    return f"{found[f'{key}_low']:.1f} to {found[f'{key}_high']:.1f}" if f"{key}_low" in found else ""

"""What the page knows of every question: its context, gold and candidates as offsets, its scores, its kinds.

Offsets on the page count UTF-16 units, as JavaScript's strings do; they are the code points of our files except behind
a character beyond U+FFFF. Scores on the page are hundredths of a logit, shares millionths.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from spanline.answers import NBEST, Answers
from spanline.common.errors import SpanlineError
from spanline.dataset.records import Example
from spanline.slicing.kinds import slicings
from spanline.slicing.repeats import repeats
from spanline.squad_v2.scores import QuestionScore, question_scores, totals

KINDS = ("right", "wrong span", "false answer", "false null")
_HUNDREDTHS, _MILLIONTHS = 100, 1_000_000


@dataclass(frozen=True, slots=True)
class Candidates:
    """One question's n-best list without its null answer, best first."""

    spans: list[tuple[int, int]]  # characters of the context, end exclusive
    scores: list[float]  # start logit + end logit
    null_score: float


@dataclass(frozen=True)
class Run:
    """One run's answers to the questions of a split, scored."""

    name: str
    answers: Answers
    candidates: Sequence[Candidates]  # of the examples, in their order
    scores: Mapping[str, QuestionScore]  # (exact, f1), 0..1, of the answers as written

    def kind(self, example: Example) -> str:
        """Right by exact; else what is wrong: a span where there is none, none where there is one, or another span."""
        if self.scores[example.id][0]:
            return "right"
        if not example.is_answerable:
            return "false answer"
        return "wrong span" if self.answers.predictions[example.id] else "false null"

    def totals(self, examples: Sequence[Example]) -> dict[str, float]:
        """The official numbers of the answers as written, percent."""
        gold = {example.id: tuple(answer.text for answer in example.answers) for example in examples}
        return totals(gold, self.scores)


def confidence(run: Run, example: Example, found: Candidates) -> float:
    """The probability that the model gives to its own answer, 0..1: na_prob of "", else that of an answer at all times
    this span's share of the n-best spans. page.js computes the same."""
    na_prob = run.answers.na_prob[example.id]
    if not run.answers.predictions[example.id]:
        return na_prob
    return (1 - na_prob) / math.fsum(math.exp(score - found.scores[0]) for score in found.scores)


def read_run(folder: Path, name: str, examples: Sequence[Example]) -> Run:
    """The run whose answers lie in `folder`. SpanlineError where they are not of these questions, or not of one run."""
    answers = Answers.read(folder)
    scores = question_scores(examples, answers.predictions)
    listed = dict(_read_nbest(folder / NBEST))
    missing = [example.id for example in examples if example.id not in listed]
    if missing or len(listed) != len(scores):
        what = f"does not list the questions of the split; it lacks {len(missing):,} of them"
        raise SpanlineError(folder / NBEST, what, _MAKE_ANEW)
    candidates = [listed[example.id] for example in examples]
    for example, found in zip(examples, candidates, strict=True):
        best = example.context[slice(*found.spans[0])] if found.spans else ""
        if answers.best_spans.get(example.id) != best:
            what = f"its best span of question {example.id!r} is not that of best_spans.json"
            raise SpanlineError(folder / NBEST, what, _MAKE_ANEW)
    return Run(name, answers, candidates, scores)


_MAKE_ANEW = "make it anew: dvc repro -s -f postprocess"


def _read_nbest(path: Path) -> Iterator[tuple[str, Candidates]]:
    """Question by question: the file is ten times as large as all others, so it is never in memory as a whole."""
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                if line.rstrip() not in ("{", "}", "{}"):
                    [(qid, entries)] = json.loads(f"{{{line.rstrip().rstrip(',')}}}").items()
                    yield qid, _candidates(entries)
    except FileNotFoundError:
        raise SpanlineError(
            path, "there is no such file", "run the stage that makes it: dvc repro postprocess"
        ) from None
    except (ValueError, KeyError, TypeError, IndexError):
        raise SpanlineError(path, "has not one question per line, as postprocess writes it", _MAKE_ANEW) from None


def _candidates(entries: list[dict[str, Any]]) -> Candidates:
    spans = [entry for entry in entries if entry["text"]]
    [null] = [entry for entry in entries if not entry["text"]]
    return Candidates(
        [(entry["start"], entry["end"]) for entry in spans],
        [entry["start_logit"] + entry["end_logit"] for entry in spans],
        null["score"],
    )


def columns(examples: Sequence[Example], runs: Sequence[Run]) -> tuple[dict[str, list[int]], dict[str, Any]]:
    """Columns of numbers and header of the page (`report.columns`)."""
    contexts = {context: number for number, context in enumerate(dict.fromkeys(e.context for e in examples))}
    titles = {title: number for number, title in enumerate(dict.fromkeys(e.title for e in examples))}
    to_utf16 = {context: utf16_offsets(context) for context in contexts}
    golds = [_spans([(a.start, a.start + len(a.text)) for a in e.answers], to_utf16[e.context]) for e in examples]
    both = repeats(examples)
    numbers = {
        "context": [contexts[example.context] for example in examples],
        "title": [titles[example.title] for example in examples],
        "golds": [len(spans) for spans in golds],
        "gold_start": [start for spans in golds for start, _ in spans],
        "gold_length": [length for spans in golds for _, length in spans],
        "answerable": [int(example.is_answerable) for example in examples],
        "repeats": [1 + both[e.id] if e.id in both else 0 for e in examples],  # 1: repeated, 2: with both labels
    }
    header: dict[str, Any] = {
        "texts": {"context": list(contexts), "title": list(titles)},
        "slicings": [],
        "kinds": list(KINDS),
        "runs": [{"name": run.name, "threshold": run.answers.thresholds.applied} for run in runs],
    }
    header["texts"] |= {"question": [e.question for e in examples], "id": [e.id for e in examples]}
    for number, (name, values, value_of) in enumerate(slicings(examples, runs[0].answers.num_features)):
        found = [value_of(example) for example in examples]
        numbers[f"slicing{number}"] = [0 if value is None else 1 + values.index(value) for value in found]
        header["slicings"].append({"name": name, "values": list(values)})
    for number, run in enumerate(runs):
        of_run = _run_columns(examples, run, to_utf16)
        numbers |= {f"{name}{number}": values for name, values in of_run.items()}
    return numbers, header


def _run_columns(
    examples: Sequence[Example], run: Run, to_utf16: Mapping[str, Callable[[int], int]]
) -> dict[str, list[int]]:
    spans = [_spans(c.spans, to_utf16[e.context]) for e, c in zip(examples, run.candidates, strict=True)]
    return {
        "kind": [KINDS.index(run.kind(example)) for example in examples],
        "f1": [round(run.scores[example.id][1] * _MILLIONTHS) for example in examples],
        "answered": [int(bool(run.answers.predictions[example.id])) for example in examples],
        "na_prob": [round(run.answers.na_prob[example.id] * _MILLIONTHS) for example in examples],
        "null_score": [round(found.null_score * _HUNDREDTHS) for found in run.candidates],
        "spans": [len(found.spans) for found in run.candidates],
        "start": [start for found in spans for start, _ in found],
        "length": [length for found in spans for _, length in found],
        # a question's scores: the first, then how far each lies below the one before
        "drop": [drop for found in run.candidates for drop in _drops(found.scores)],
    }


def _drops(scores: Sequence[float]) -> list[int]:
    whole = [round(score * _HUNDREDTHS) for score in scores]
    return [*whole[:1], *(before - after for before, after in pairwise(whole))]


def _spans(spans: Sequence[tuple[int, int]], to_utf16: Callable[[int], int]) -> list[tuple[int, int]]:
    """(start, length) in UTF-16 units."""
    return [(to_utf16(start), to_utf16(end) - to_utf16(start)) for start, end in spans]


def utf16_offsets(text: str) -> Callable[[int], int]:
    """Code points before a place -> UTF-16 units before it."""
    if text.isascii() or max(text) <= "\uffff":
        return int
    units = np.cumsum([0, *(1 + (character > "\uffff") for character in text)]).tolist()
    return lambda place: int(units[place])

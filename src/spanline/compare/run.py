"""From the names of two sides to their comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from spanline.common.errors import SpanlineError
from spanline.compare import difference
from spanline.compare.changes import changes
from spanline.compare.difference import Chance, Comparison, Metric, Split
from spanline.compare.runs import Run, Side, features_of, read_examples, read_side
from spanline.dataset.records import Example
from spanline.slicing.kinds import members
from spanline.squad_v2.scores import best_scores, gold_texts, refuse_other_qids
from spanline.statistics.clusters import Floats, numbered


class Options(Protocol):
    """What the command line says."""

    a: str
    b: str
    project: Path
    squad: Path | None
    on: Split
    metric: Metric
    resamples: int
    seed: int


def compare(options: Options, scratch: Path) -> tuple[Comparison, tuple[str, str]]:
    """The comparison and the sides' names. `scratch` is a folder for what DVC's cache lacks."""
    sides = [read_side(name, options.project, scratch, options.on) for name in (options.a, options.b)]
    examples = read_examples(options.squad, sides, options.project, options.on)
    found = of_sides(examples, sides, options.metric, checked_chance(options.resamples, options.seed))
    return replace(found, on=options.on), (options.a, options.b)


def checked_chance(resamples: int, seed: int) -> Chance:
    if not 199 <= resamples <= 100_000 or seed < 0:
        what = "resamples must be 199 to 100,000 and the seed 0 or more"
        raise SpanlineError("spanline compare", what, "leave --resamples and --seed out, or change them")
    return Chance(resamples, seed)


def of_sides(examples: Sequence[Example], sides: Sequence[Side], metric: Metric, chance: Chance) -> Comparison:
    a, b = (scores_of(examples, side.runs) for side in sides)
    runs_a, runs_b = (side.runs for side in sides)
    num_same = None
    if len(runs_a) == len(runs_b) == 1:
        num_same = sum(runs_a[0].predictions[e.id] == runs_b[0].predictions[e.id] for e in examples)
    article_Q = numbered([example.title for example in examples])
    found = difference.compare(a, b, article_Q, members(examples, features_of(sides)), num_same, metric, chance)
    return replace(found, changes=_changes(runs_a, runs_b))


def _changes(a: Sequence[Run], b: Sequence[Run]) -> list[str] | None:
    """What two revisions differ in; None for files, which do not say, and for sets of runs."""
    if len(a) != 1 or len(b) != 1 or a[0].revision is None or b[0].revision is None:
        return None
    return changes(a[0].revision.lock, b[0].revision.lock)


def scores_of(examples: Sequence[Example], runs: Sequence[Run]) -> list[Floats]:
    """Per run the (Q, 2) exact and f1 of each question, 0..1. Refuses missing and unknown qids; equal to the official
    script's. A text that several runs give is scored once."""
    gold = gold_texts(examples)
    known: dict[tuple[str, str], tuple[float, float]] = {}
    found = []
    for run in runs:
        refuse_other_qids(run.name, gold, run.predictions)
        rows = []
        for qid, texts in gold.items():
            key = (qid, run.predictions[qid])
            if key not in known:
                known[key] = best_scores(texts, key[1])
            rows.append(known[key])
        found.append(np.array(rows, np.float64))
    return found

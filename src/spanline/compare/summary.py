"""Several runs of one kind as a table: each one's scores, their mean, and how much they vary."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from spanline.common.files import to_json
from spanline.compare.difference import Split
from spanline.compare.report import aligned
from spanline.compare.run import checked_chance, scores_of
from spanline.compare.runs import Run, Side, read_examples, read_side
from spanline.dataset.records import Example
from spanline.squad_v2.scores import totals
from spanline.statistics import runs as between
from spanline.statistics.clusters import MIN_CLUSTERS, add_up, numbered
from spanline.statistics.estimates import estimates

COLUMNS = ("exact", "f1", "HasAns_exact", "HasAns_f1", "NoAns_exact", "NoAns_f1")
DECIMALS = 6


class Options(Protocol):
    """What the command line says."""

    runs: Sequence[str]
    project: Path
    squad: Path | None
    on: Split
    resamples: int
    seed: int
    json: bool


def of(options: Options, scratch: Path) -> str:
    """The table, or its numbers as JSON."""
    side = read_side(",".join(options.runs), options.project, scratch, options.on)
    examples = read_examples(options.squad, [side], options.project, options.on)
    found = summary(examples, side, options.resamples, options.seed)
    return to_json(found) if options.json else text(found)


def summary(examples: Sequence[Example], side: Side, resamples: int, seed: int) -> dict[str, Any]:
    """`runs`: name and scores of each; `mean` and, of several, `sd` of each score; `on_new_articles`: 95 % intervals of
    the mean of exact and f1, with the variance between runs where there are several; None with too few articles."""
    chance = checked_chance(resamples, seed)
    scores = scores_of(examples, side.runs)
    gold = {example.id: tuple(answer.text for answer in example.answers) for example in examples}
    rows: list[dict[str, Any]] = []
    for run, scores_Q2 in zip(side.runs, scores, strict=True):
        pairs = {qid: (float(exact), float(f1)) for qid, (exact, f1) in zip(gold, scores_Q2, strict=True)}
        rows.append(
            {"name": run.name, **{k: round(v, DECIMALS) for k, v in totals(gold, pairs).items() if k in COLUMNS}}
        )
    names = [name for name in COLUMNS if name in rows[0]]
    found: dict[str, Any] = {"runs": rows, "articles": len({example.title for example in examples})}
    found["mean"] = {name: round(float(np.mean([row[name] for row in rows])), DECIMALS) for name in names}
    if len(rows) > 1:
        found["sd"] = {name: round(float(np.std([row[name] for row in rows], ddof=1)), DECIMALS) for name in names}
    clusters = add_up(numbered([e.title for e in examples]), *(100 * np.mean(scores, axis=0)).T)
    found["on_new_articles"] = {}
    for name, estimate in zip(("exact", "f1"), estimates(clusters, chance.resamples, chance.seed), strict=True):
        interval = between.with_runs(estimate, between.error_between_runs([row[name] for row in rows])).interval
        ends = None if interval is None else [max(interval[0], 0.0), min(interval[1], 100.0)]
        found["on_new_articles"][name] = ends and [round(end, DECIMALS) for end in ends]
    return found


def text(found: dict[str, Any]) -> str:
    """A row per run, then mean and standard deviation."""
    names = list(found["mean"])
    rows = [("", *names)]
    for row in found["runs"]:
        rows.append((row["name"], *(f"{row[name]:.2f}" for name in names)))
    for label in ("mean", "sd"):
        if label in found:
            rows.append((label, *(f"{found[label][name]:.2f}" for name in names)))
    lines = aligned(rows)
    interval = found["on_new_articles"]
    if interval["f1"] is None:
        what = f"none: {found['articles']} articles, and fewer than {MIN_CLUSTERS} do not tell how articles differ"
    else:
        what = ", ".join(f"{name} {ends[0]:.2f} to {ends[1]:.2f}" for name, ends in interval.items())
    runs = ", other seeds included" if len(found["runs"]) > 1 else ""
    return "\n".join([*lines, f"95 % interval of the mean on new articles like these{runs}: {what}", ""])


__all__ = ["Options", "Run", "of", "summary", "text"]

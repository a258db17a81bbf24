"""The report stage's work: one self-contained page (HTML) about a run, or about two runs side by side.

Nothing of a data set can become code: texts reach the page as data that page.js puts into text nodes, or through
Jinja's escaping; the page's content security policy names its one script by hash and allows no request.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from spanline.dataset.records import Example
from spanline.report import columns, figures, overview, questions
from spanline.report.figures import Figure, Row
from spanline.report.overview import PAGE, Facts
from spanline.report.questions import KINDS, Run

_SPLITS = ("train", "calibration", "validation")
_CHUNK = 1 << 16  # characters of a text node: browsers take longer ones apart


def about(facts: Facts, commit: str = "") -> dict[str, str]:
    """The words for the top of the page of a pipeline's run."""
    return {
        "title": f"Answers to {overview.dataset_name(facts.dataset, 'validation')}",
        "commit": commit,
        "verdict": "",
        "comparison": "",
    }


def page(
    examples: Sequence[Example],
    runs: Sequence[Run],
    facts: Facts | None,
    about: Mapping[str, str],
    tables: Sequence[Mapping[str, Sequence[Row]]] = (),
) -> str:
    """The page. `facts`: of a run of the pipeline. Without them it has the questions, their scores and the curves of
    `tables`: for each run the rows of the plots' files, by their path.

    `about`: words for the top of the page: `title`, `commit`, of two runs `verdict` (a sentence) and `comparison` (the
    figures behind it); all but the title may be "".
    """
    script, style = ((PAGE / name).read_text(encoding="utf-8") for name in ("page.js", "page.css"))
    payload = columns.pack(*questions.columns(examples, runs))
    jinja = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return jinja.get_template("index.html.j2").render(
        about=about,
        facts=facts and _facts(facts),
        figures=_figures([facts.tables] if facts else tables),
        kinds=[overview.kind_counts(examples, run) for run in runs],
        runs=[_scored(examples, run) for run in runs],
        flips=_flips(examples, runs),
        script=Markup(script),
        style=Markup(style),
        policy=_policy(script, style),
        chunks=[payload[start : start + _CHUNK] for start in range(0, len(payload), _CHUNK)],
        total=len(examples),
    )


def _policy(script: str, style: str) -> str:
    """Nothing from anywhere, but this very script and this very style sheet; no text becomes markup by script."""
    hashes = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (script, style))
    script_hash, style_hash = hashes
    return (
        f"default-src 'none'; script-src 'sha256-{script_hash}'; style-src 'sha256-{style_hash}'; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _scored(examples: Sequence[Example], run: Run) -> dict[str, Any]:
    return {"name": run.name, "threshold": run.answers.thresholds.applied, **run.totals(examples)}


@dataclass(frozen=True)
class Flip:
    """Questions that two runs answer in one of four ways."""

    name: str
    questions: int
    share: float  # percent


FLIPS = ("both right", "only A right", "only B right", "both wrong")


def _flips(examples: Sequence[Example], runs: Sequence[Run]) -> list[Flip]:
    """None of a single run."""
    if len(runs) < 2:
        return []
    a, b = ([run.kind(example) == KINDS[0] for example in examples] for run in runs)
    counts = [0, 0, 0, 0]
    for in_a, in_b in zip(a, b, strict=True):
        counts[(0 if in_b else 1) if in_a else (2 if in_b else 3)] += 1
    return [Flip(name, count, 100.0 * count / len(examples)) for name, count in zip(FLIPS, counts, strict=True)]


def _facts(facts: Facts) -> dict[str, Any]:
    """What the template shows of a pipeline's run."""
    encoder, revision = overview.encoder(facts.params)
    return {
        "dataset": overview.dataset_name(facts.dataset),
        "splits": {split: {**facts.dataset["splits"][split], **facts.statistics[split]} for split in _SPLITS},
        "shared": facts.dataset["shared"],
        "words": list(dict.fromkeys(word for split in _SPLITS for word in facts.statistics[split]["question_words"])),
        "encoder": encoder,
        "revision": revision,
        "trained": facts.trained,
        "differences": overview.differences(facts.params),
        "scores": facts.scores,
        "score_rows": overview.score_rows(facts.scores),
        "intervals": {key: overview.interval(facts.scores, key) for key in ("exact", "f1", "HasAns_f1", "NoAns_f1")},
        "calibration": overview.calibration_sentence(facts.scores),
        "scores_md5": facts.scores_md5,
        "slices": _slices(facts.tables),
    }


Drawn = tuple[Figure, list[tuple[str, str]], Markup]  # with its legend, and as SVG


def _figures(tables: Sequence[Mapping[str, Sequence[Row]]]) -> list[Drawn]:
    if len(tables) == 2:
        return _figures_of_two(*tables)
    return _figures_of_one(tables[0]) if tables else []


def _figures_of_one(tables: Mapping[str, Sequence[Row]]) -> list[Drawn]:
    drawn = [(figure, figures.draw(figure, tables.get(figure.file, ()))) for figure in figures.FIGURES]
    return [(figure, _legend(figure, tables), Markup(svg)) for figure, svg in drawn if svg]


def _figures_of_two(a: Mapping[str, Sequence[Row]], b: Mapping[str, Sequence[Row]]) -> list[Drawn]:
    """Those of files that both have."""
    found = []
    for figure in figures.FIGURES:
        if figure.kind != "bar" and figure.file in a and figure.file in b:
            legend = [(f"c{number}", series.label) for number, series in enumerate(figure.series)]
            if svg := figures.draw_two(figure, a[figure.file], b[figure.file]):
                found.append((figure, legend, Markup(svg)))
    return found


def _legend(figure: Figure, tables: Mapping[str, Sequence[Row]]) -> list[tuple[str, str]]:
    """(class of the colour, label), with the last value of curves that may be a single dot; nothing for one curve."""
    named = [*figure.series, *([figure.right] if figure.right else [])]
    last = tables[figure.file][-1] if figure.dots else {}
    labels = [f"{s.label} {float(last[s.key]):.3f}" if last.get(s.key) else s.label for s in named]
    return [(f"c{number}", label) for number, label in enumerate(labels)] if len(named) > 1 else []


def _slices(tables: Mapping[str, Sequence[Row]]) -> dict[str, list[dict[str, Any]]]:
    """Slicing -> its slices as rows with their bar; numbers in percent."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in tables.get("metrics/slices.csv", ()):
        slicing, _, value = row["slice"].partition(": ")
        numbers = {key: float(row[key]) if row.get(key) else None for key in ("exact", "f1", "f1_low", "f1_high")}
        found.setdefault(slicing, []).append({"value": value, "questions": int(row["questions"]), **numbers})
    return found

"""A comparison for people (text), for a pull request (Markdown) and for programs (JSON)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from spanline.common.files import shortened, to_json
from spanline.compare.difference import KEYS, SIGNIFICANT, Comparison, Difference, Slice
from spanline.compare.verdict import verdict
from spanline.statistics.clusters import MIN_CLUSTERS

MARK = "<!-- spanline compare -->"  # first line of the Markdown: by it a later run finds its comment
WIDTH_OF_CHANGES = 105  # characters; --json has them all
SHOWN = 5  # slices, unless all are asked for
HEADER = ("", "A", "B", "B - A", "on these questions and articles", "on new articles like these", "p", "detectable")


def text(found: Comparison, names: tuple[str, str], all_slices: bool) -> str:
    """Aligned tables of at most 120 columns, and the verdict last."""
    lines = [f"A  {_side(names[0], found.runs[0])}", f"B  {_side(names[1], found.runs[1])}"]
    lines += [*_changes(found), _counts(found), ""]
    lines += aligned([HEADER, *(_row(key, getattr(found, key)) for key in KEYS)])
    lines += ["", *_run_deviations(found), *_flips(found), _slices_line(found)]
    if rows := _shown(found.slices, all_slices):
        lines += aligned([_slice_header(found.metric), *(_slice_row(row, found.metric) for row in rows)])
    return "\n".join([*lines, "", verdict(found), ""])


def markdown(found: Comparison, names: tuple[str, str], all_slices: bool) -> str:
    """For one comment on a pull request; begins with MARK."""
    sentence, _, remark = verdict(found).partition("\n")
    lines = [MARK, f"**{sentence}** {remark}".rstrip(), ""]
    lines += [f"A: `{names[0]}` B: `{names[1]}` ({_counts(found)})", ""]
    lines += [line for change in _changes(found) for line in (change, "")]
    lines += _piped([HEADER, *(_row(key, getattr(found, key)) for key in KEYS)])
    lines += ["", *_run_deviations(found), *_flips(found), "", "<details><summary>Slices</summary>", ""]
    lines += [
        _slices_line(found),
        "",
        *_piped([_slice_header(found.metric), *(_slice_row(row, found.metric) for row in found.slices)]),
    ]
    return "\n".join([*lines, "", "</details>", ""])


def json(found: Comparison, names: tuple[str, str]) -> str:
    """Every number, by the names of the records in `difference`."""
    return to_json({**asdict(found), "a": names[0], "b": names[1], "verdict": verdict(found).replace("\n", " ")})


def _side(name: str, runs: int) -> str:
    return name if runs == 1 else f"{name} ({runs} runs)"


def _changes(found: Comparison) -> list[str]:
    """As many as one line holds, the first one cut if need be."""
    if not found.changes:
        return []
    first, *others = found.changes
    line = f"B has {shortened(first, WIDTH_OF_CHANGES - 10)}"
    shown = 1
    for change in others:
        if len(line) + len(change) > WIDTH_OF_CHANGES:
            break
        line, shown = f"{line}; {change}", shown + 1
    more = len(found.changes) - shown
    return [f"{line}; {more:,} more" if more else line]


def _counts(found: Comparison) -> str:
    split = " of the calibration split" if found.on == "calibration" else ""
    return f"{found.f1.questions:,} questions from {found.f1.articles:,} articles{split}; 95 % intervals, in percent"


def _row(key: str, found: Difference) -> tuple[str, ...]:
    new = f"none: fewer than {MIN_CLUSTERS} articles" if found.on_new is None else _interval(found.on_new)
    least = "" if found.least_detectable is None else f"{found.least_detectable:.2f}"
    return (
        key,
        f"{found.a:.2f}",
        f"{found.b:.2f}",
        f"{found.difference:+.2f}",
        _interval(found.on_these),
        new,
        _p(found.p),
        least,
    )


def _interval(pair: tuple[float, float]) -> str:
    return f"{pair[0]:+.2f} to {pair[1]:+.2f}"


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if value < 0.01 else f"{value:.2f}"


def _run_deviations(found: Comparison) -> list[str]:
    parts = []
    for name, deviation in (("A", found.of_metric.run_sd_a), ("B", found.of_metric.run_sd_b)):
        if deviation is not None:
            parts.append(f"{deviation:.2f} in {name}")
    return [f"{found.metric} varies between runs with a standard deviation of {', '.join(parts)}"] if parts else []


def _flips(found: Comparison) -> list[str]:
    if found.flips is None:
        return []
    flips = found.flips
    sides = f"{flips.only_a:,} right only in A, {flips.only_b:,} right only in B"
    return [f"flips: {sides}; {flips.same_answer:,} questions have the same answer"]


def _slices_line(found: Comparison) -> str:
    """How many of the slices differ when their number is taken into account."""
    tested = [row for row in found.slices if row.corrected_p is not None]
    differ = [row for row in tested if (row.corrected_p or 0.0) <= SIGNIFICANT]
    return f"slices: {len(differ)} of {len(tested)} differ in {found.metric}, with p corrected for their number"


def _shown(slices: Sequence[Slice], all_slices: bool) -> list[Slice]:
    """All, or those that are the least likely to be chance."""
    if all_slices:
        return list(slices)
    tested = [row for row in slices if row.of_metric.p is not None]
    return sorted(tested, key=lambda row: (row.of_metric.p or 0.0, -abs(row.of_metric.difference)))[:SHOWN]


def _slice_header(metric: str) -> tuple[str, ...]:
    both = ("exact",) if metric == "exact" else ("exact", metric)
    return ("slice", "questions", *both, "on new articles", "p corrected")


def _slice_row(row: Slice, metric: str) -> tuple[str, ...]:
    found = row.of_metric
    new = "none: few articles" if found.on_new is None else _interval(found.on_new)
    both = [f"{row.exact:+.2f}"] if metric == "exact" else [f"{row.exact:+.2f}", f"{found.difference:+.2f}"]
    return (row.name, f"{found.questions:,}", *both, new, _p(row.corrected_p))


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for first, *others in rows:
        cells = [f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([f"{first:<{widths[0]}}", *cells]).rstrip())
    return lines


def _piped(rows: Sequence[Sequence[str]]) -> list[str]:
    header, *others = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    return [header, f"|---|{'---:|' * (len(rows[0]) - 1)}", *others]

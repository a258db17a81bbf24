"""The plots: each is declared once, here. The page draws them as SVG; `tools.plots` makes the templates that
`dvc plots` draws by (.dvc/plots, and the section `plots` of dvc.yaml), which a test compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from spanline.report.svg import Axis, Picture

Row = Mapping[str, str]  # of a CSV file; an empty cell is a missing value
Ends = tuple[float | None, float | None]  # low and high end of an axis; None: as far as the data go


@dataclass(frozen=True)
class Series:
    """One curve: a column of the file, or with `Figure.by` the rows that have this value there."""

    key: str
    label: str


@dataclass(frozen=True)
class Figure:
    """One plot of one CSV file."""

    name: str  # of its template
    title: str
    file: str
    x: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    kind: Literal["line", "area", "bar"] = "line"
    by: str | None = None  # the column that tells curves apart; they then share the column `y`
    y: str | None = None
    x_ends: Ends = (None, None)
    y_ends: Ends = (None, None)
    right: Series | None = None  # a curve with an axis of its own
    rules: bool = False  # column `mark` names x values to draw a line at
    dots: bool = False  # every point is drawn; with `size`, by this column
    size: str | None = None
    diagonal: bool = False
    note: str = ""

    def columns(self) -> list[str]:
        """Those of the y axis."""
        return [self.y] if self.y else [series.key for series in self.series]


_LOGITS = "null score \N{MINUS SIGN} best span score (logits)"
FIGURES = (
    Figure(
        name="loss",
        title="Loss and learning rate by training step",
        file="metrics/train_history.csv",
        x="step",
        x_label="training step",
        y_label="loss (nats)",
        y_ends=(0.0, None),
        series=(Series("loss", "loss"),),
        right=Series("learning_rate", "learning rate"),
    ),
    Figure(
        name="calibration_split",
        title="The calibration split after each epoch",
        file="metrics/train_epochs.csv",
        x="epoch",
        x_label="epochs of training",
        y_label="share of features (0 to 1)",
        x_ends=(0.0, None),
        y_ends=(0.0, 1.0),
        series=(
            Series("calibration_start_accuracy", "start right"),
            Series("calibration_end_accuracy", "end right"),
            Series("calibration_token_f1", "token F1 of the span"),
        ),
        dots=True,
    ),
    Figure(
        name="scores_by_threshold",
        title="Scores by no-answer threshold",
        file="metrics/plots/threshold_sweep.csv",
        x="null_score_diff_threshold",
        x_label="null_score_diff_threshold (logits)",
        y_label="score (percent)",
        y_ends=(0.0, 100.0),
        series=(
            Series("exact", "exact"),
            Series("f1", "F1"),
            Series("HasAns_f1", "F1, answerable"),
            Series("NoAns_f1", "F1, unanswerable"),
        ),
        rules=True,
        note="The solid rule is the threshold in use; far left nothing is answered, far right everything.",
    ),
    Figure(
        name="precision_recall",
        title="Precision and recall of answering",
        file="metrics/plots/precision_recall.csv",
        x="recall",
        x_label="recall: earned, of all answerable questions",
        y_label="precision: earned, of all answers given",
        x_ends=(0.0, 1.0),
        y_ends=(0.0, 1.0),
        by="curve",
        y="precision",
        series=(Series("exact", "exact"), Series("f1", "F1"), Series("answerable", "answerable or not")),
        note="Dots are thresholds; the ringed one is in use.",
    ),
    Figure(
        name="reliability",
        title="Is the no-answer probability to be trusted?",
        file="metrics/plots/reliability.csv",
        x="na_prob",
        x_label="no-answer probability, mean of the bin",
        y_label="share that is unanswerable",
        x_ends=(0.0, 1.0),
        y_ends=(0.0, 1.0),
        series=(Series("unanswerable", "questions of the bin"),),
        dots=True,
        size="questions",
        diagonal=True,
        note="On the dashed diagonal it says what is true. Larger dots hold more questions.",
    ),
    Figure(
        name="score_differences",
        title="Score differences of answerable and unanswerable questions",
        file="metrics/plots/score_diff_histogram.csv",
        x="score_diff",
        x_label=_LOGITS,
        y_label="questions",
        y_ends=(0.0, None),
        series=(Series("answerable", "answerable"), Series("unanswerable", "unanswerable")),
        kind="area",
        note="The less the two overlap, the better a threshold can tell them apart.",
    ),
    Figure(
        name="slices",
        title="F1 by kind of question, with 95 % intervals",
        file="metrics/slices.csv",
        x="f1",
        x_label="F1 (percent)",
        y_label="kind of question",
        x_ends=(0.0, 100.0),
        series=(Series("slice", "F1"),),
        kind="bar",
    ),
)


def draw(figure: Figure, rows: Sequence[Row]) -> str | None:
    """The figure as SVG; None where its file has no row, and for bars (the page shows the slices as rows)."""
    if not rows or figure.kind == "bar":
        return None
    curves = [_points(figure, series, rows) for series in figure.series]
    if not any(curves):
        return None
    x = Axis.of(figure.x_label, [point[0] for curve in curves for point in curve], *figure.x_ends)
    y = Axis.of(figure.y_label, [point[1] for curve in curves for point in curve], *figure.y_ends)
    right_curve = _points(figure, figure.right, rows) if figure.right else []
    right = Axis.of(figure.right.label, [point[1] for point in right_curve], 0.0) if figure.right else None
    picture = Picture(figure.title, x, y, right)
    if figure.diagonal:
        picture.line([(0.0, 0.0), (1.0, 1.0)], "diagonal")
    if right:
        picture.line(right_curve, f"c{len(curves)}", right)
    for number, curve in enumerate(curves):
        _draw_curve(picture, figure, curve, f"c{number}")
    if figure.rules:
        _draw_rules(picture, figure, rows)
    _draw_marks(picture, figure, rows) if figure.by else _draw_dots(picture, figure, rows, curves)
    return picture.markup()


def draw_two(figure: Figure, a: Sequence[Row], b: Sequence[Row]) -> str | None:
    """The curves of two runs on the same axes, B's dashed; without marks and dots. None where neither has a row."""
    curves = [
        (_points(figure, series, rows), f"c{number}{kind}")
        for rows, kind in ((a, ""), (b, " b"))
        for number, series in enumerate(figure.series)
    ]
    points = [point for curve, _ in curves for point in curve]
    if not points:
        return None
    x = Axis.of(figure.x_label, [point[0] for point in points], *figure.x_ends)
    y = Axis.of(figure.y_label, [point[1] for point in points], *figure.y_ends)
    picture = Picture(figure.title, x, y)
    if figure.diagonal:
        picture.line([(0.0, 0.0), (1.0, 1.0)], "diagonal")
    for curve, name in curves:
        _draw_curve(picture, figure, curve, name)
    return picture.markup()


def _points(figure: Figure, series: Series, rows: Sequence[Row]) -> list[tuple[float, float]]:
    """(x, y) of the rows that have both."""
    if figure.by:
        rows, column = [row for row in rows if row[figure.by] == series.key], str(figure.y)
    else:
        column = series.key
    return [(float(row[figure.x]), float(row[column])) for row in rows if row[figure.x] and row[column]]


def _draw_curve(picture: Picture, figure: Figure, curve: Sequence[tuple[float, float]], name: str) -> None:
    if figure.kind == "line":
        picture.line(curve, name)
    elif curve:
        width = curve[1][0] - curve[0][0] if len(curve) > 1 else 1.0
        edges = [point[0] - width / 2 for point in curve] + [curve[-1][0] + width / 2]
        picture.area(edges, [point[1] for point in curve], name)


def _draw_rules(picture: Picture, figure: Figure, rows: Sequence[Row]) -> None:
    marked = [row for row in rows if row.get("mark")]
    for number, row in enumerate(marked):
        at = float(row[figure.x])
        picture.rule(at, f"{row['mark']} ({at:.2f})".replace("-", "\N{MINUS SIGN}"), number, "applied" in row["mark"])


def _draw_marks(picture: Picture, figure: Figure, rows: Sequence[Row]) -> None:
    """A dot per threshold on every curve; those of the last one are named."""
    for number, series in enumerate(figure.series):
        for row in rows:
            if row[str(figure.by)] == series.key and row.get("mark"):
                point = (float(row[figure.x]), float(row[str(figure.y)]))
                says = f"threshold {row['mark']}: {figure.x} {point[0]:.3f}, {figure.y} {point[1]:.3f}"
                chosen = " chosen" if "applied" in row["mark"] else ""
                picture.dot(point, f"c{number}{chosen}", says)
                if series is figure.series[-1]:
                    picture.label(point, row["mark"])


def _draw_dots(
    picture: Picture, figure: Figure, rows: Sequence[Row], curves: Sequence[Sequence[tuple[float, float]]]
) -> None:
    if not figure.dots:
        return
    sizes = [float(row[figure.size]) for row in rows] if figure.size else []
    for number, (series, curve) in enumerate(zip(figure.series, curves, strict=True)):
        for place, point in enumerate(curve):
            # without sizes later curves have smaller dots, so that equal values show as rings
            radius = 3 + 7 * (sizes[place] / max(sizes)) ** 0.5 if sizes else 1.0 + 2.5 * (len(curves) - number)
            says = f"{series.label}: {point[1]:.3f} at {point[0]:.3f}"
            picture.dot(point, f"c{number}", f"{says}, {sizes[place]:,.0f} questions" if sizes else says, radius)

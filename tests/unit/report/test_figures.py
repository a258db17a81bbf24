"""The pictures: every value lies where its axes say, marks are named, and what has no data is not drawn."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from spanline.report.figures import FIGURES, draw
from spanline.report.svg import HEIGHT, WIDTH, Axis, Picture, number

FIGURE = {figure.name: figure for figure in FIGURES}


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (-17.3, 6.2, [-15, -10, -5, 0, 5]),
        (0, 2e-4, [0, 5e-5, 1e-4, 1.5e-4, 2e-4]),
        (3, 3, [3, 3.2, 3.4, 3.6, 3.8, 4]),
    ],
)
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert Axis.of("x", [low, high]).ticks() == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.25, "0.25"), (1000, "1,000"), (-5.0, "\u22125"), (1.5e-4, "1.5e-4"), (2e-4, "2e-4")],
)
def test_numbers_of_ticks(value: float, text: str) -> None:
    assert number(value) == text


def test_a_line_goes_from_corner_to_corner() -> None:
    picture = Picture("t", Axis("x", 0, 10), Axis("y", 0, 1))
    picture.line([(0, 0), (10, 1)], "c0")
    path = ElementTree.fromstring(picture.markup()).find("path")
    assert path is not None
    left, bottom, right, top = map(float, re.findall(r"[\d.]+", path.attrib["d"]))
    assert 0 < left < right < WIDTH
    assert 0 < top < bottom < HEIGHT


def test_one_epoch_is_a_dot_for_each_curve_and_none_is_no_picture() -> None:
    figure = FIGURE["calibration_split"]
    row = {"epoch": "1.0"} | {series.key: "0.8" for series in figure.series}
    svg = ElementTree.fromstring(str(draw(figure, [row])))
    dots = svg.findall("circle")
    assert {dot.attrib["class"] for dot in dots} == {"dot c0", "dot c1", "dot c2"}
    assert svg.findall("path") == []
    assert draw(figure, []) is None


def test_thresholds_are_named_and_the_one_in_use_is_told_apart() -> None:
    figure = FIGURE["scores_by_threshold"]
    row = {series.key: "50" for series in figure.series}
    rows = [
        {**row, "null_score_diff_threshold": x, "mark": mark}
        for x, mark in (("-1", ""), ("0", "0"), ("2", "oracle, applied"))
    ]
    svg = ElementTree.fromstring(str(draw(figure, rows)))
    rules = [line.attrib["class"] for line in svg.findall("line") if "rule" in line.attrib["class"]]
    assert rules == ["rule", "rule chosen"]
    labels = [text.text for text in svg.findall("text") if text.attrib["class"] == "label"]
    assert labels == ["0 (0.00)", "oracle, applied (2.00)"]


def test_texts_of_a_file_are_no_markup() -> None:
    figure = FIGURE["precision_recall"]
    rows = [{"curve": "exact", "recall": "0.5", "precision": "0.5", "mark": "</svg><script>"}]
    drawn = str(draw(figure, rows))
    assert "<script>" not in drawn
    assert "&lt;/svg&gt;" in drawn


def test_no_file_is_drawn_twice_and_every_axis_has_a_name() -> None:
    assert len({figure.file for figure in FIGURES}) == len({figure.name for figure in FIGURES}) == len(FIGURES)
    assert all(figure.x_label and figure.y_label and figure.title for figure in FIGURES)

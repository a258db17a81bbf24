"""The plots of dvc.yaml and .dvc/plots are those that the report declares; none is drawn twice."""

from __future__ import annotations

import json
from typing import Any

from spanline.report.figures import FIGURES
from spanline.report.overview import PAGE
from tests.make import yaml_text
from tests.paths import ROOT
from tools import plots

DVC: dict[str, Any] = yaml_text.load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))


def test_dvc_yaml_has_the_figures() -> None:
    expected = [plots.definition(figure) for figure in FIGURES]
    assert DVC["plots"] == expected, f"in dvc.yaml, section plots:\n{yaml_text.dump(expected)}"


def test_the_templates_are_made_from_the_figures() -> None:
    """`python -m tools.plots templates` makes them."""
    made = {f"{plots.name_of(figure)}.json": plots.template(figure) for figure in FIGURES}
    found = {path.name: json.loads(path.read_text()) for path in (ROOT / plots.TEMPLATES).glob("*.json")}
    assert found == made


def test_no_output_is_a_plot_by_itself() -> None:
    """DVC would draw it a second time."""
    assert not [name for name, stage in DVC["stages"].items() if "plots" in stage.get("do", stage)]


def test_the_report_knows_the_usual_parameters() -> None:
    """It shows what differs from them."""
    usual = yaml_text.load((PAGE / "defaults.yaml").read_text(encoding="utf-8"))
    params = yaml_text.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    sections = {name: section for name, section in params.items() if name not in ("environment", "runtime")}
    assert usual == sections, "make them anew: python -m tools.plots defaults"


def test_a_page_of_dvc_is_made_to_need_no_network() -> None:
    html = (
        '<html><head><title>DVC Plot</title>\n<script src="https://cdn.jsdelivr.net/npm/vega@5"></script></head></html>'
    )
    made = plots.offline(html)
    assert "cdn.jsdelivr" not in made
    assert made.count("<script>") == made.count("</script>") == 1
    assert "vegaEmbed" in made

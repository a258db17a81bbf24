"""`dvc plots` as the report draws: templates made from the report's figures, and a page that needs no network.

`python -m tools.plots templates` writes .dvc/plots/*.json (a test compares them and dvc.yaml with the figures), and
`... defaults` the parameters that the report calls usual, from params.yaml.
`python -m tools.plots show` and `... diff REVISION...` run `dvc plots` and put Vega, from an installed package, into
the page that DVC writes: DVC's own page loads it from a server, and is blank without one.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import subprocess
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from spanline.common import console
from spanline.common.errors import SpanlineError
from spanline.common.files import write_text
from spanline.report.figures import FIGURES, Figure, Series

DEFAULTS = Path("src/spanline/report/page/defaults.yaml")
TEMPLATES, PAGE = Path(".dvc/plots"), Path("dvc_plots/index.html")
_COLOURS = ("#1f6fd1", "#d1590a", "#16875d", "#8a4fc7")
_DASH = {"field": "rev", "type": "nominal", "title": "revision"}
_MARKED = "isValid(datum.mark) && datum.mark != ''"
_IN_USE = "indexof(datum.mark, 'applied') >= 0"


def main() -> None:
    """Parse, and do one of the four."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("what", choices=["defaults", "templates", "show", "diff"])
    parser.add_argument("arguments", nargs="*", help="of dvc plots show or dvc plots diff")
    args, options = parser.parse_known_args()
    if args.what == "templates":
        for figure in FIGURES:
            write_text(TEMPLATES / f"{name_of(figure)}.json", json.dumps(template(figure), indent=1) + "\n")
        return
    if args.what == "defaults":
        write_text(DEFAULTS, defaults(Path("params.yaml").read_text(encoding="utf-8")))
        return
    command = ["dvc", "plots", args.what, *args.arguments, *options, "--out", str(PAGE.parent)]
    if subprocess.run(command, check=False).returncode:
        raise SpanlineError(" ".join(command), "failed", "see the lines above")
    PAGE.write_text(offline(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    console.say(f"{PAGE}: open it in a browser; it needs no network")


def defaults(params: str) -> str:
    """params.yaml without its comments and what a page does not show: what the report calls usual."""
    yaml, text = YAML(typ="safe"), io.StringIO()
    yaml.default_flow_style, yaml.width = False, 120
    content = {name: section for name, section in yaml.load(params).items() if name not in ("environment", "runtime")}
    yaml.dump(content, text)
    return text.getvalue()


def name_of(figure: Figure) -> str:
    """Of the figure's template; DVC's own templates have other names."""
    return f"spanline_{figure.name}"


def definition(figure: Figure) -> dict[str, Any]:
    """The figure's entry in section `plots` of dvc.yaml."""
    columns = figure.columns() if figure.kind != "bar" else ["slice"]
    axes = {"x": figure.x, "y": {figure.file: columns[0] if len(columns) == 1 else columns}}
    labels = {"title": figure.title, "x_label": figure.x_label, "y_label": figure.y_label}
    return {figure.title: {"template": name_of(figure), **axes, **labels}}


def template(figure: Figure) -> dict[str, Any]:
    """Vega-Lite with DVC's anchors. Curves differ by colour, revisions by dash."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"values": "<DVC_METRIC_DATA>"},
        "title": "<DVC_METRIC_TITLE>",
        "width": 460,
        "height": 280,
        **_drawn(figure),
    }


def _drawn(figure: Figure) -> dict[str, Any]:
    if figure.kind == "bar":
        return _bars(figure)
    curve: dict[str, Any] = {"mark": _mark(figure), "encoding": _encoding(figure)}
    layers = [curve, *_dots(figure)]
    if figure.diagonal:
        layers.append(_diagonal())
    if figure.kind == "area":  # its outline tells revisions apart
        encoding = {name: channel for name, channel in _encoding(figure).items() if name != "detail"}
        outline = {"mark": {"type": "line", "interpolate": "step"}, "encoding": {**encoding, "strokeDash": _DASH}}
        layers.append(outline)
    if figure.rules:
        layers += _rules(figure)
    if figure.by:
        size = {"condition": {"test": _IN_USE, "value": 130}, "value": 50}
        shown = {**_encoding(figure), "size": size, "tooltip": [{"field": "mark", "title": "threshold"}]}
        layers.append({"transform": [{"filter": _MARKED}], "mark": _DOT, "encoding": shown})
    if figure.right is None:
        return {"layer": layers}
    layers.append({"mark": "line", "encoding": _right_encoding(figure, figure.right)})
    return {"layer": layers, "resolve": {"scale": {"y": "independent"}}}


def _mark(figure: Figure) -> dict[str, Any]:
    if figure.kind == "area":
        return {"type": "area", "interpolate": "step", "opacity": 0.35}
    return {"type": "line"}


_DOT = {"type": "point", "filled": True, "opacity": 1}


def _dots(figure: Figure) -> list[dict[str, Any]]:
    """A dot for each row, by size where the figure has one; else smaller from curve to curve, so that equal values show
    as rings."""
    if not figure.dots:
        return []
    if figure.size:
        size: dict[str, Any] = {"field": figure.size, "type": "quantitative", "legend": None}
        size["scale"] = {"range": [20, 300]}
    else:
        keys = [series.key for series in figure.series]
        sizes = [180, 90, 30][: len(keys)]
        size = {"field": "field", "type": "nominal", "legend": None, "scale": {"domain": keys, "range": sizes}}
    encoding = {name: channel for name, channel in _encoding(figure).items() if name != "strokeDash"}
    return [{"mark": _DOT, "encoding": {**encoding, "size": size}}]


def _encoding(figure: Figure) -> dict[str, Any]:
    y: dict[str, Any] = _axis("<DVC_METRIC_Y>", "<DVC_METRIC_Y_LABEL>", figure.y_ends)
    if figure.kind == "area":
        y["stack"] = None
    x = _axis(figure.x, "<DVC_METRIC_X_LABEL>", figure.x_ends)
    detail = {"detail": {"field": "rev"}} if figure.kind == "area" else {"strokeDash": _DASH}
    return {"x": x, "y": y, "color": _colour(figure), **detail}


def _right_encoding(figure: Figure, right: Series) -> dict[str, Any]:
    y = {"field": right.key, "type": "quantitative", "title": right.label, "axis": {"orient": "right", "format": "~e"}}
    x = _axis(figure.x, "<DVC_METRIC_X_LABEL>", figure.x_ends)
    return {"x": x, "y": y, "color": {**_colour(figure), "datum": right.label}, "strokeDash": _DASH}


def _axis(field: str, title: str, ends: tuple[float | None, float | None]) -> dict[str, Any]:
    low, high = ends
    scale: dict[str, Any] = {"zero": low == 0.0}
    scale |= {} if high is None else {"domain": [low, high]}
    return {"field": field, "type": "quantitative", "title": title, "scale": scale}


def _colour(figure: Figure) -> dict[str, Any]:
    """By the column that tells curves apart: of the file, or DVC's `field`; a single curve by its label."""
    named = [*figure.series, *([figure.right] if figure.right else [])]
    several = len(figure.series) > 1
    domain = [series.key if several else series.label for series in named]
    labels = json.dumps({series.key: series.label for series in named})
    legend = {"title": None, "labelExpr": f"{labels}[datum.label] || datum.label"}
    scale = {"domain": domain, "range": list(_COLOURS[: len(domain)])}
    value = {"field": figure.by or "field"} if several else {"datum": figure.series[0].label}
    return {**value, "type": "nominal", "scale": scale, "legend": legend}


def _diagonal() -> dict[str, Any]:
    corners = [{"x": 0, "y": 0}, {"x": 1, "y": 1}]
    encoding = {name: {"field": name, "type": "quantitative"} for name in ("x", "y")}
    mark = {"type": "line", "strokeDash": [5, 5], "color": "#888888", "strokeWidth": 1}
    return {"data": {"values": corners}, "mark": mark, "encoding": encoding}


def _rules(figure: Figure) -> list[dict[str, Any]]:
    """A vertical line for each marked row, once, with its name; the one in use is thicker."""
    once = [{"filter": f"{_MARKED} && datum.field == '{figure.series[0].key}'"}]
    x = {"field": figure.x, "type": "quantitative"}
    width = {"condition": {"test": _IN_USE, "value": 2}, "value": 1}
    text = {"type": "text", "angle": 270, "align": "right", "dx": -4, "dy": -6, "fontSize": 10}
    name = {"field": "mark", "type": "nominal"}
    rule = {
        "mark": {"type": "rule", "color": "#666666"},
        "encoding": {"x": x, "strokeWidth": width, "strokeDash": _DASH},
    }
    label = {"mark": text, "encoding": {"x": x, "y": {"value": 0}, "text": name}}
    return [{"transform": once, **rule}, {"transform": once, **label}]


def _bars(figure: Figure) -> dict[str, Any]:
    """Bars with their interval; revisions below each other."""
    y = {"field": "<DVC_METRIC_Y>", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 260}}
    shared = {"y": y, "yOffset": {"field": "rev"}}
    x = _axis(figure.x, "<DVC_METRIC_X_LABEL>", figure.x_ends)
    colour = {
        "field": "rev",
        "type": "nominal",
        "title": "revision",
        "scale": {"range": ["#7fb0ea", "#f0b48a", "#8fd0b5"]},
    }
    shown = [{"field": name} for name in ("slice", "questions", "exact", "f1", "f1_low", "f1_high")]
    ends = {"x": {"field": "f1_low", "type": "quantitative"}, "x2": {"field": "f1_high"}}
    bar = {"mark": "bar", "encoding": {**shared, "x": x, "color": colour, "tooltip": shown}}
    interval = {"mark": {"type": "rule", "strokeWidth": 2}, "encoding": {**shared, **ends}}
    return {"height": {"step": 9}, "layer": [bar, interval]}


def offline(html: str) -> str:
    """DVC's page with Vega inside instead of links to a server."""
    import vl_convert

    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", "5.21").replace("</script", "<\\/script")
    without = re.sub(r'\s*<script src="https://cdn[^"]*"></script>', "", html)
    return without.replace("</title>", f"</title>\n<script>{bundle}</script>", 1)


if __name__ == "__main__":
    console.run(main)

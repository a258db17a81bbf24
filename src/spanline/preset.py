"""Overlay a preset on params.yaml in place, comments kept: `make preset NAME=...`."""

from __future__ import annotations

import argparse
import difflib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.representer import RoundTripRepresenter

from spanline.common import console
from spanline.common.errors import SpanlineError
from spanline.common.files import write_text


def overlay(params: Any, preset: Any, preset_path: Path, prefix: str = "") -> Iterator[str]:
    """Put every leaf of `preset` into `params`, which must have it; yield `key: old -> new` for each that differs."""
    for key, value in preset.items():
        name = f"{prefix}{key}"
        if key not in params:
            near = difflib.get_close_matches(key, list(params), n=1)
            todo = f"did you mean '{prefix}{near[0]}'?" if near else "take it out"
            raise SpanlineError(preset_path, f"unknown key '{name}'", todo)
        if isinstance(value, dict) and isinstance(params[key], dict) and params[key]:
            yield from overlay(params[key], value, preset_path, f"{name}.")
        elif params[key] != value:
            yield f"{name}: {params[key]} -> {value}"
            params[key] = value


def apply(preset_path: Path, params_path: Path) -> list[str]:
    """Rewrite `params_path` with the preset laid over it; the changes as lines. Nothing is written on a mistake."""
    yaml = _yaml()
    params = yaml.load(params_path.read_text(encoding="utf-8"))
    changes = list(overlay(params, yaml.load(preset_path.read_text(encoding="utf-8")), preset_path))
    text = io.StringIO()
    yaml.dump(params, text)
    write_text(params_path, text.getvalue())
    return changes


class _NullInFull(RoundTripRepresenter):
    """Writes null as `null`. A class of its own: what is added to the library's class holds for the whole process."""


_NullInFull.add_representer(
    type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
)


def _yaml() -> YAML:
    """A reader and writer that leaves every line as it was that a preset does not change."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1000
    yaml.Representer = _NullInFull
    return yaml


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presets", type=Path, required=True, help="folder of presets, in")
    parser.add_argument("--params", type=Path, required=True, help="params.yaml, in and out")
    parser.add_argument("name", nargs="?", help="preset to apply; without it they are listed")
    args = parser.parse_args()
    known = {path.stem: path for path in sorted(args.presets.glob("*.yaml"))}
    if args.name is None:
        for name, path in known.items():
            console.say(f"{name:<28} {path.read_text(encoding='utf-8').splitlines()[0].lstrip('# ')}")
        return
    if args.name not in known:
        raise SpanlineError(args.presets, f"has no preset '{args.name}'", f"choose one of {', '.join(known)}")
    for change in apply(known[args.name], args.params) or ["nothing to change"]:
        console.say(change)


if __name__ == "__main__":
    console.run(main)

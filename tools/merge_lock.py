"""Merge driver for dvc.lock: git calls it with the common ancestor's file, ours and theirs; the result replaces ours.

A stage that one side changed is taken from that side. A stage that both changed loses its entry, because neither side
has run what the merge of their code and params says; `dvc repro` then finds its result in the run cache or runs it.
Exit 1, which git reports as a conflict, when that happened: a merge without a result must not be committed unseen.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from spanline.common import console
from spanline.common.errors import SpanlineError
from spanline.common.files import new_file

TODO = "dvc repro --pull && git add dvc.lock metrics && git commit --no-edit"
Stages = Mapping[str, Any]


def merged(base: Stages, ours: Stages, theirs: Stages) -> tuple[dict[str, Any], list[str]]:
    """The stages of the merge, in our order and then theirs, and the names of those that both sides changed."""
    stages: dict[str, Any] = {}
    both: list[str] = []
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        before, our, their = (_plain(side.get(name)) for side in (base, ours, theirs))
        if our in (their, before) or their == before:
            side = theirs if our == before else ours
            if name in side:
                stages[name] = side[name]
        else:
            both.append(name)
    return stages, both


def _plain(value: Any) -> Any:
    """Ordinary dicts and lists, which compare equal whatever their keys' order is."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def merge_files(base: Path, ours: Path, theirs: Path) -> list[str]:
    """Overwrite `ours` with the merge; the stages that both sides changed."""
    documents = [_read(path) for path in (base, ours, theirs)]
    stages, both = merged(*(document.get("stages", {}) for document in documents))
    document = documents[1] | {"schema": documents[1].get("schema", "2.0"), "stages": stages}
    with new_file(ours) as temporary, temporary.open("w", encoding="utf-8") as file:
        _yaml().dump(document, file)
    return both


def _read(path: Path) -> dict[str, Any]:
    """A lock file; {} where a side has none (git then hands over an empty file)."""
    try:
        document = _yaml().load(path.read_text(encoding="utf-8")) or {}
    except YAMLError as error:
        raise SpanlineError(path, f"not YAML: {error}", "merge dvc.lock by hand") from None
    if not isinstance(document, dict) or document.get("schema", "2.0") != "2.0":
        raise SpanlineError(path, "not a dvc.lock of schema 2.0", "merge dvc.lock by hand")
    return document


def _yaml() -> YAML:
    """DVC's own way of writing, so that a merge adds no other differences."""
    yaml = YAML()
    yaml.default_flow_style = False
    return yaml


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", type=Path, help="common ancestor, in")
    parser.add_argument("ours", type=Path, help="our side, in and out")
    parser.add_argument("theirs", type=Path, help="their side, in")
    args = parser.parse_args()
    both = merge_files(args.base, args.ours, args.theirs)
    if both:
        console.say(
            f"dvc.lock: both sides changed {', '.join(both)}; nobody has run the merge of them, so type\n  {TODO}"
        )
        sys.exit(1)


if __name__ == "__main__":
    console.run(main)

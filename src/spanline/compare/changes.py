"""What two revisions have that is not the same, of all that their answers were made from: parameters and code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

SEED = "train.seed"
Stages = Mapping[str, Mapping[str, Any]]  # of a dvc.lock


def changes(a: Stages, b: Stages) -> list[str]:
    """`train.seed: 17 -> 18` for each parameter, `code of train` for each stage, of the stages up to postprocess."""
    before, after = (dict(_params(stages)) for stages in (a, b))
    found = [
        f"{name}: {_shown(before, name)} -> {_shown(after, name)}"
        for name in dict.fromkeys([*before, *after])
        if before.get(name, ...) != after.get(name, ...)
    ]
    code_a, code_b = (dict(_code(stages)) for stages in (a, b))
    changed = [name for name in dict.fromkeys([*code_a, *code_b]) if code_a.get(name) != code_b.get(name)]
    return found + [f"code of {', '.join(dict.fromkeys(name.partition('@')[0] for name in changed))}"] * bool(changed)


def is_seed_alone(found: list[str]) -> bool:
    return len(found) == 1 and found[0].startswith(f"{SEED}:")


def _params(stages: Stages) -> Iterator[tuple[str, Any]]:
    for name in _needed(stages):
        for section in stages[name].get("params", {}).values():
            yield from _leaves(section, "")


def _leaves(section: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _shown(params: Mapping[str, Any], name: str) -> str:
    return str(params[name]) if name in params else "none"


def _code(stages: Stages) -> Iterator[tuple[str, Any]]:
    """Of each stage the hashes of what no stage has made."""
    made = _made(stages)
    for name in _needed(stages):
        deps = stages[name].get("deps", [])
        yield name, {dep["path"]: dep.get("md5") for dep in deps if _maker(made, dep["path"]) is None}


def _needed(stages: Stages) -> list[str]:
    """postprocess and the stages that it has its inputs from, in the order of the lock."""
    made, needed, new = _made(stages), set(), ["postprocess"]
    while new:
        name = new.pop()
        if name in stages and name not in needed:
            needed.add(name)
            makers = [_maker(made, dep["path"]) for dep in stages[name].get("deps", [])]
            new += [maker for maker in makers if maker is not None]
    return [name for name in stages if name in needed]


def _made(stages: Stages) -> dict[str, str]:
    """Output -> its stage."""
    return {out["path"]: name for name, stage in stages.items() for out in stage.get("outs", [])}


def _maker(made: Mapping[str, str], path: str) -> str | None:
    return next((name for out, name in made.items() if path == out or path.startswith(f"{out}/")), None)

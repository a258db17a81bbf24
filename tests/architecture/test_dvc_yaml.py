"""dvc.yaml says what is true: deps are what a stage imports, params what it reads, paths what its command names."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from typing import Any

import pytest

from spanline.common.params import Section
from spanline.runtime import Runtime
from spanline.search.params import AnswerSearchParams
from tests.architecture.closure import closure, named_shortly, rooms
from tests.architecture.stages import SCRIPTS, SECTIONS
from tests.make import yaml_text
from tests.make.project import PLOTS
from tests.paths import ROOT
from tests.pipeline.workspace import STAGES

DVC: dict[str, dict[str, Any]] = yaml_text.load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
PARAMS: dict[str, Any] = yaml_text.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
DATA_PATH = re.compile(r"(?:data|metrics)/\S+")


def definition(name: str) -> dict[str, Any]:
    return DVC[name].get("do", DVC[name])


def code_deps(name: str) -> set[str]:
    return {dep for dep in definition(name)["deps"] if dep.startswith(("src/", "stages/"))}


def paths_of(entry: str | dict[str, Any]) -> list[str]:
    """An output's path, with options behind it or not."""
    return [entry] if isinstance(entry, str) else list(entry)


def source(name: str) -> ast.Module:
    return ast.parse((ROOT / "stages" / f"{name}.py").read_text(encoding="utf-8"))


def calls(name: str, function: str) -> list[ast.Call]:
    """Calls of `module.function(...)` in a stage's script."""
    nodes = (node for node in ast.walk(source(name)) if isinstance(node, ast.Call))
    return [node for node in nodes if ast.unparse(node.func) == function]


def test_every_script_is_a_stage() -> None:
    assert set(SCRIPTS) == set(DVC)


@pytest.mark.parametrize("name", SCRIPTS)
def test_deps_are_the_import_closure(name: str) -> None:
    """A folder stands for all modules in it, and does so wherever a stage imports them all: no edit re-runs a stage
    without need, and a new module of a room needs no new line."""
    expected = set(named_shortly(closure(ROOT / "stages" / f"{name}.py")))
    add = "".join(f"\n      - {path}" for path in sorted(expected - code_deps(name)))
    drop = "".join(f"\n      - {path}" for path in sorted(code_deps(name) - expected))
    assert expected == code_deps(name), (
        f"in dvc.yaml, stage {name}, deps: add{add or ' nothing'}\ndrop{drop or ' nothing'}"
    )


def test_a_folder_is_named_only_where_it_is_imported_whole() -> None:
    room, modules = next((room, modules) for room, modules in rooms().items() if len(modules) > 1)
    assert named_shortly(modules | {"src/spanline/x.py"}) == sorted([room, "src/spanline/x.py"])
    assert named_shortly(set(sorted(modules)[1:])) == sorted(modules)[1:]


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_path_of_a_command_is_declared_and_the_other_way_round(name: str) -> None:
    stage = definition(name)
    declared = {path for path in stage["deps"] if path.startswith("data/")}
    declared |= {path for key in ("outs", "metrics") for entry in stage.get(key, []) for path in paths_of(entry)}
    words = {word for word in shlex.split(stage["cmd"]) if DATA_PATH.fullmatch(word)}
    # a command may name the folder that declared files lie in
    undeclared = {word for word in words if not any(f"{path}/".startswith(f"{word}/") for path in declared)}
    assert undeclared <= {"metrics/runtime/train.json"}  # differs from run to run, so it is no output
    assert {path for path in declared if not any(path.startswith(word) for word in words)} == set()


@pytest.mark.parametrize("name", SCRIPTS)
def test_only_metrics_stay_out_of_the_cache(name: str) -> None:
    """A stage with another uncached output is never put into the run cache: it would run again on the way back, and for
    every colleague."""
    outs = definition(name).get("outs", [])
    assert [entry for entry in outs if not isinstance(entry, str)] == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_params_are_the_sections_that_the_script_loads(name: str) -> None:
    module = importlib.import_module(f"stages.{name}")
    loaded = {ast.unparse(call.args[1]).strip("'\"") for call in calls(name, "params.load")} - {"runtime"}
    loaded = {module.SECTION if section == "SECTION" else section for section in loaded}
    required = [arg for call in calls(name, "environment.require") for arg in call.args[1:]]
    loaded |= set(getattr(module, "SHOWN", ()))  # the report's: it shows their values
    loaded |= {f"environment.{ast.literal_eval(arg)}" for arg in required}
    assert set(definition(name).get("params", [])) == loaded


def test_every_plot_that_score_writes_is_declared() -> None:
    """DVC keeps only what dvc.yaml names."""
    declared = set(definition("score")["outs"]) - {"metrics/scores.json"}
    assert declared == {"metrics/slices.csv", *(f"metrics/plots/{name}.csv" for name in PLOTS)}


def test_every_section_of_params_is_read_and_checked_by_a_stage() -> None:
    tracked = {param for name in SCRIPTS for param in definition(name).get("params", [])}
    sections = {param for param in tracked if not param.startswith("environment.")}
    assert sections | {"environment", "runtime"} == set(PARAMS)
    assert {param.removeprefix("environment.") for param in tracked - sections} == set(PARAMS["environment"])


@pytest.mark.parametrize("name", SCRIPTS)
def test_sections_are_strict_and_have_no_defaults(name: str) -> None:
    module = importlib.import_module(f"stages.{name}")
    if not hasattr(module, "PARAMS"):
        assert not calls(name, "params.load")
        return
    for model in [*_models(module.PARAMS), AnswerSearchParams, Runtime]:  # two sections that are no stage's own
        assert model.model_config["extra"] == "forbid"
        assert all(field.is_required() for field in model.model_fields.values()), f"{model.__name__} has a default"
    for section, model in (
        (module.SECTION, module.PARAMS),
        ("answer_search", AnswerSearchParams),
        ("runtime", Runtime),
    ):
        model.model_validate(PARAMS[section])


def _models(model: type[Section]) -> list[type[Section]]:
    inner = [field.annotation for field in model.model_fields.values()]
    return [model, *(m for i in inner if isinstance(i, type) and issubclass(i, Section) for m in _models(i))]


def test_every_number_has_its_unit_or_meaning_in_a_comment() -> None:
    bare = re.compile(r"^\s*(\w+): -?[\d.e-]+\s*$")
    explained_above = {"calibration_fraction", "seed", "train_questions", "validation_questions", "version"}
    lines = (ROOT / "params.yaml").read_text(encoding="utf-8").split("\nenvironment:")[0].splitlines()
    names = {match[1] for line in lines if (match := bare.match(line))}
    assert names <= explained_above


def test_every_section_is_edited_below() -> None:
    assert {key.split(".")[0] for key in SECTIONS} == set(PARAMS)


def named_by(stage: str, *kinds: str) -> list[str]:
    """What a stage of dvc.yaml names under deps, outs or params, its split filled in."""
    script, _, split = stage.partition("@")
    entries = [entry for kind in kinds for entry in definition(script).get(kind, [])]
    names = [name for entry in entries for name in ([entry] if isinstance(entry, str) else entry)]
    return [name.replace("${item}", split) for name in names]


@pytest.mark.parametrize("key", SECTIONS)
def test_an_edit_of_a_parameter_concerns_these_stages(key: str) -> None:
    """That DVC then runs them, and what an edit of each module and file does, tests/team/test_matrix.py sees."""
    named = {stage: named_by(stage, "params") for stage in STAGES}
    concerned = {stage for stage, names in named.items() if any(f"{key}.".startswith(f"{name}.") for name in names)}
    assert concerned == SECTIONS[key]

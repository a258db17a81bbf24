"""Strict, typed loading of params.yaml: every mistake is one line that names the key and says what to do.

A section of params.yaml is a `Section` subclass without defaults: remove a key and the stage says which is missing.
"""

from __future__ import annotations

import difflib
import math
import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from spanline.common.errors import SpanlineError
from spanline.common.files import shortened


class Section(BaseModel):
    """Base of the typed sections: frozen, finite, no unknown keys, no conversion (an int may stand for a float)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=())
    tracked: ClassVar[bool] = True  # does DVC record it with a result?


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Revision = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]  # a commit of a hub, never a branch: branches move

S = TypeVar("S", bound=Section)

# (file, tracked section or section.key) -> its content as this process first read it
_loaded: dict[tuple[Path, str], Any] = {}


def load(path: Path, section: str, model: type[S]) -> S:
    """The section `section` of the YAML file `path`, checked against `model`.

    Raises SpanlineError for an unreadable file, and for unknown, missing, wrongly typed or out-of-range keys.
    """
    content = read_yaml(path)
    if section not in content:
        raise SpanlineError(path, f"section '{section}' is missing", _nearest(section, list(content)) or "add it")
    if model.tracked:
        remember(path, section, content[section])
    return check(path, section, content[section], model)


def remember(path: Path, name: str, value: Any) -> None:
    """That this process goes by this `value` of the section, or section.key, `name`: `check_unchanged` compares."""
    _loaded.setdefault((path, name), value)


def check_unchanged() -> None:
    """SpanlineError when something tracked that this process read from params.yaml holds something else by now.

    DVC reads params.yaml again when a stage has *ended*, and records what stands there then with the result.
    """
    for (path, name), before in _loaded.items():
        section, _, key = name.partition(".")
        now = read_yaml(path).get(section)
        if (now.get(key) if key and isinstance(now, dict) else now) != before:
            what = f"'{name}' was edited while the stage ran, and DVC would record the edit with the result of the old"
            raise SpanlineError(path, what, "run the stage again")


def read_yaml(path: Path) -> dict[str, Any]:
    """The YAML file as a dict, its values as DVC reads them (`3e-05` is a number, `on` is a text).

    Raises SpanlineError with line and column when it is no YAML mapping, and for a key that stands there twice.
    """
    try:
        content = _parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SpanlineError(path, "there is no such file", "run from the project's root or pass --params") from None
    except UnicodeDecodeError as error:
        raise SpanlineError(path, f"not UTF-8 at byte {error.start}", "save it as UTF-8") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{path}, line {mark.line + 1}, column {mark.column + 1}" if mark else str(path)
        raise SpanlineError(place, f"not YAML: {_problem(error)}", "fix that line") from None
    except (YAMLError, ValueError) as error:  # a character that YAML has not, or a date that no calendar has
        raise SpanlineError(path, f"not YAML: {' '.join(str(error).split())}", "take it out") from None
    if not isinstance(content, dict):
        raise SpanlineError(path, "is not a mapping of sections", "start from the params.yaml of the repository")
    return content


@lru_cache(maxsize=4)
def _parse(text: str) -> Any:
    """A stage reads several sections of one file; parsing takes 3 ms each time. Nobody changes what comes out.

    With the reader and the settings of DVC (dvc.utils.serialize.parse_yaml), so that a stage computes with the values
    that DVC records: YAML 1.2, and ruamel's C parser where it is installed.
    """
    return YAML(typ="safe").load(text)


def _problem(error: MarkedYAMLError) -> str:
    """What is wrong, on one line; ruamel explains a double key on several."""
    return str(error.problem).partition(" with value")[0]


def check(path: Path, section: str, content: Any, model: type[S]) -> S:
    """`content` as a `model`; the first mistake becomes a SpanlineError that shows the value and the fix."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise _explain(path, section, content, model, error) from None


def _explain(path: Path, section: str, content: Any, model: type[Section], error: ValidationError) -> SpanlineError:
    first = min(
        error.errors(), key=lambda e: _ORDER.get(e["type"], 1)
    )  # a typo explains the missing key, so it goes first
    keys = [str(part) for part in first["loc"] if not str(part).startswith(("function", "literal", "constrained"))]
    name, value = ".".join([section, *keys]), first["input"]
    if first["type"] == "extra_forbidden":
        known = list(_model_at(model, keys[:-1]).model_fields)
        return SpanlineError(path, f"unknown key '{name}'", _nearest(keys[-1], known) or f"known: {', '.join(known)}")
    if first["type"] == "missing":
        return SpanlineError(
            path, f"'{name}' is missing", "add it; the repository's params.yaml shows each key with its unit"
        )
    return SpanlineError(path, f"'{name}' is {shortened(repr(value), 200)}, {_expectation(first)}", _fix(value))


_ORDER = {"extra_forbidden": 0, "missing": 2}


def _model_at(model: type[Section], keys: list[str]) -> type[Section]:
    """The nested section that `keys` lead to."""
    for key in keys:
        inner = model.model_fields[key].annotation if key in model.model_fields else None
        model = inner if isinstance(inner, type) and issubclass(inner, Section) else model
    return model


def _expectation(error: Any) -> str:
    message = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return f"which {message}" if message.startswith("should") else message


def _fix(value: Any) -> str:
    if not isinstance(value, str):
        return "change it"
    if re.fullmatch(r"[-+]?[0-9]+", value):
        return f"write {int(value)} without quotes"
    try:
        number = float(value)
    except ValueError:
        return "change it"
    if not math.isfinite(number):
        return "change it"
    return f"write {number!r} without quotes"


def _nearest(key: str, known: list[str]) -> str:
    match = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f"did you mean '{match[0]}'?" if match else ""

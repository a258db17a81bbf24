"""Every mistake in params.yaml is exactly one line that names the key, shows the value and says what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import pytest
import yaml
from pydantic import Field, ValidationError

from spanline.common import params
from spanline.common.errors import SpanlineError
from spanline.common.params import Section


class Inner(Section):
    rate: Annotated[float, Field(gt=0)]
    sha256: dict[str, str]


class Outer(Section):
    length: Annotated[int, Field(ge=8, le=512)]
    ratio: float
    flag: bool
    mode: Literal["cut", "refuse"]
    threshold: Literal["calibrated"] | float
    limit: Annotated[int, Field(ge=1)] | None
    inner: Inner


GOOD = """\
outer:
  length: 64  # tokens
  ratio: 0.5
  flag: true
  mode: cut
  threshold: calibrated
  limit: null
  inner:
    rate: 1
    sha256: {}
"""
DOT = "without quotes and with a dot (YAML reads 3e-5 as text, 3.0e-5 as a number)"


def load(tmp_path: Path, text: str) -> Outer:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return params.load(path, "outer", Outer)


def message(tmp_path: Path, text: str) -> str:
    with pytest.raises(SpanlineError) as caught:
        load(tmp_path, text)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_reads_a_section_with_its_types(tmp_path: Path) -> None:
    found = load(tmp_path, GOOD + "other: 5\n")
    assert (found.length, found.flag, found.threshold, found.limit) == (64, True, "calibrated", None)
    assert isinstance(found.inner.rate, float)  # an int may stand for a float
    with pytest.raises(ValidationError):
        found.length = 65  # type: ignore[misc]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("length", "lenght", "unknown key 'outer.lenght'; did you mean 'length'?"),
        (
            "  limit: null",
            "  limit: null\n  zzz: 1",
            "unknown key 'outer.zzz'; known: length, ratio, flag, mode, {rest}",
        ),
        ("rate: 1", "rats: 1", "unknown key 'outer.inner.rats'; did you mean 'rate'?"),
        ("  ratio: 0.5\n", "", "'outer.ratio' is missing; {add}"),
        ("    rate: 1\n", "", "'outer.inner.rate' is missing; {add}"),
        ("length: 64", "length: many", "'outer.length' is 'many', which should be a valid integer; change it"),
        ("length: 64", "length: true", "'outer.length' is True, which should be a valid integer; change it"),
        ("length: 64", "length: 64.5", "'outer.length' is 64.5, which should be a valid integer; change it"),
        (
            "length: 64",
            "length: '64'",
            "'outer.length' is '64', which should be a valid integer; write 64 without quotes",
        ),
        ("length: 64", "length: 7", "'outer.length' is 7, which should be greater than or equal to 8; change it"),
        ("length: 64", "length: 513", "'outer.length' is 513, which should be less than or equal to 512; change it"),
        ("length: 64", "length:", "'outer.length' is None, which should be a valid integer; change it"),
        ("0.5", "3e-5", "'outer.ratio' is '3e-5', which should be a valid number; write 3.0e-05 {dot}"),
        ("0.5", "1e20", "'outer.ratio' is '1e20', which should be a valid number; write 1.0e+20 {dot}"),
        ("0.5", "2e-3", "'outer.ratio' is '2e-3', which should be a valid number; write 0.002 {dot}"),
        ("0.5", "'nan'", "'outer.ratio' is 'nan', which should be a valid number; change it"),
        ("0.5", "true", "'outer.ratio' is True, which should be a valid number; change it"),
        ("0.5", ".nan", "'outer.ratio' is nan, which should be a finite number; change it"),
        ("0.5", ".inf", "'outer.ratio' is inf, which should be a finite number; change it"),
        ("true", "1", "'outer.flag' is 1, which should be a valid boolean; change it"),
        ("mode: cut", "mode: slice", "'outer.mode' is 'slice', which should be 'cut' or 'refuse'; change it"),
        (
            "calibrated",
            "calibratd",
            "'outer.threshold' is 'calibratd', which should be 'calibrated'; change it",
        ),
        ("limit: null", "limit: 0", "'outer.limit' is 0, which should be greater than or equal to 1; change it"),
        ("rate: 1", "rate: 0", "'outer.inner.rate' is 0, which should be greater than 0; change it"),
        ("rate: 1", "rate: 1e-3", "'outer.inner.rate' is '1e-3', which should be a valid number; write 0.001 {dot}"),
        ("{}", "{a: 5}", "'outer.inner.sha256.a' is 5, which should be a valid string; change it"),
    ],
)
def test_one_line_for_each_mistake(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert GOOD.count(old) == 1
    add = "add it; the repository's params.yaml shows each key with its unit"
    expected = expected.format(add=add, dot=DOT, rest="threshold, limit, inner")
    assert message(tmp_path, GOOD.replace(old, new)) == f"params.yaml: {expected}"


def test_the_typo_is_named_and_not_the_key_that_it_leaves_missing(tmp_path: Path) -> None:
    text = GOOD.replace("ratio", "ration").replace("length: 64", "length: 3")
    assert message(tmp_path, text) == "params.yaml: unknown key 'outer.ration'; did you mean 'ratio'?"


@pytest.mark.parametrize(
    "number", ["3e-5", "1e20", "-7e-12", "1e-3", "12345678901234567890e3", "2E5", "-3", "+4", "007"]
)
def test_the_number_that_the_hint_shows_is_one_that_yaml_reads(tmp_path: Path, number: str) -> None:
    found = message(tmp_path, GOOD.replace("0.5", f"'{number}'"))
    match = re.search(r"; write (\S+) without quotes", found)
    assert match, found
    assert load(tmp_path, GOOD.replace("0.5", match[1])).ratio == float(number)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "params.yaml: is not a mapping of sections; start from the params.yaml of the repository"),
        ("- outer\n", "params.yaml: is not a mapping of sections; start from the params.yaml of the repository"),
        ("inner: 1\n", "params.yaml: section 'outer' is missing; add it"),
        ("outr:\n  length: 1\n", "params.yaml: section 'outer' is missing; did you mean 'outr'?"),
        (
            "outer:\n  length: 1\n  ratio: [1\n  flag: true\n",
            "params.yaml, line 4, column 7: not YAML: expected ',' or ']', but got ':'; fix that line",
        ),
        (
            "outer:\n\tlength: 1\n",
            "params.yaml, line 2, column 1: not YAML: found character '\\t' that cannot start any token; fix that line",
        ),
    ],
)
def test_what_is_no_section_is_one_line(tmp_path: Path, text: str, expected: str) -> None:
    assert message(tmp_path, text) == expected


@pytest.mark.parametrize("text", ["outer: 5\n", "outer:\n", "outer: [1]\n"])
def test_a_section_that_is_no_mapping_is_one_line(tmp_path: Path, text: str) -> None:
    assert message(tmp_path, text).startswith("params.yaml: 'outer' is ")


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    with pytest.raises(SpanlineError) as caught:
        params.load(path, "outer", Outer)
    assert str(caught.value) == f"{path}: there is no such file; run from the project's root or pass --params"


def test_another_encoding_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes("# größer\nouter: 1\n".encode("latin-1"))
    with pytest.raises(SpanlineError) as caught:
        params.load(path, "outer", Outer)
    assert str(caught.value) == f"{path}: not UTF-8 at byte 4; save it as UTF-8"


def test_yaml_reads_what_the_tests_take_it_to_read() -> None:
    assert yaml.safe_load("3e-5") == "3e-5"
    assert yaml.safe_load("3.0e-5") == 3e-5

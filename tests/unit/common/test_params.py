"""Every mistake in params.yaml is exactly one line that names the key, shows the value and says what to do."""

from __future__ import annotations

import io
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import pytest
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import parse_yaml, parse_yaml_for_update
from dvc.utils.serialize._yaml import _dump
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from spanline.common import params
from spanline.common.errors import SpanlineError
from spanline.common.params import Section
from spanline.train.params import TrainParams
from tests.paths import ROOT


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
        ("0.5", "'3e-5'", "'outer.ratio' is '3e-5', which should be a valid number; write 3e-05 without quotes"),
        ("0.5", "'1e20'", "'outer.ratio' is '1e20', which should be a valid number; write 1e+20 without quotes"),
        ("0.5", ".5e3", "'outer.ratio' is '.5e3', which should be a valid number; write 500.0 without quotes"),
        ("0.5", "-.inf", "'outer.ratio' is -inf, which should be a finite number; change it"),
        ("0.5", "[0.5]", "'outer.ratio' is [0.5], which should be a valid number; change it"),
        ("0.5", "{a: 1}", "'outer.ratio' is {{'a': 1}}, which should be a valid number; change it"),
        ("length: 64", "length: 6.4e1", "'outer.length' is 64.0, which should be a valid integer; change it"),
        ("true", "yes", "'outer.flag' is 'yes', which should be a valid boolean; change it"),
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
        ("rate: 1", "rate: -1e-3", "'outer.inner.rate' is -0.001, which should be greater than 0; change it"),
        ("{}", "{a: 5}", "'outer.inner.sha256.a' is 5, which should be a valid string; change it"),
    ],
)
def test_one_line_for_each_mistake(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert GOOD.count(old) == 1
    add = "add it; the repository's params.yaml shows each key with its unit"
    expected = expected.format(add=add, rest="threshold, limit, inner")
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
            "params.yaml, line 4, column 7: not YAML: did not find expected ',' or ']'; fix that line",
        ),
        (
            "outer:\n\tlength: 1\n",
            "params.yaml, line 2, column 1: not YAML: found character that cannot start any token; fix that line",
        ),
        (
            "outer:\n  length: 1\n  length: {a: 2}\n",
            'params.yaml, line 3, column 3: not YAML: found duplicate key "length"; fix that line',
        ),
        (
            "outer: \x01\n",
            "params.yaml: not YAML: unacceptable character #x0001: control characters are not allowed in "
            '"<unicode string>", position 7; take it out',
        ),
        ("outer: 2026-13-01\n", "params.yaml: not YAML: month must be in 1..12; take it out"),
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


SCALARS = (
    "1e-05 -1e-05 3e-5 3.0e-05 1e16 1e+16 1E5 .5 +.5 .5e3 1. 1e 0.1_5 1_000 1__0 10 +12 -0 010 0o10 0o8 0x1F 0b11 "
    "12345678901234567890123 .inf -.INF .nan inf nan true True TRUE yes no on off y n ~ null Null NULL '' '3e-5' '1' "
    "2026-01-02 2026-01-02T03:04:05Z 12:30:45 1.2.3 5.2.0 a:b [1e-5,2e-5,on] |- >"
)


@pytest.mark.parametrize(
    "scalar", [*SCALARS.split(), "", "!!float 3", "!!str 5", "{a: 1e-5, b: [null, 'x']}", '"\\u00e9"', "&x 1e-5"]
)
def test_every_value_is_what_dvc_reads(tmp_path: Path, scalar: str) -> None:
    """DVC records what its own reader gives: with another value the record would say what did not run."""
    text = f"a: {scalar}\n"
    path = tmp_path / "params.yaml"
    path.write_text(text)
    assert repr(params.read_yaml(path)) == repr(parse_yaml(text, str(path)))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_that_dvc_writes_is_read_as_that_number(number: float) -> None:
    """As `dvc exp run -S` writes it into a params.yaml that has comments."""
    text = io.StringIO()
    document = parse_yaml_for_update("outer:\n  ratio: 0.5  # a comment\n", "params.yaml")
    document["outer"]["ratio"] = number
    _dump(document, text)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "params.yaml"
        path.write_text(text.getvalue())
        assert repr(params.read_yaml(path)["outer"]["ratio"]) == repr(number)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("train.learning_rate=3.0e-5", 3e-05),
        ("train.learning_rate=3e-5", 3e-05),
        ("train.learning_rate=0.00003", 3e-05),
        ("train.learning_rate=1e16", 1e16),
        ("train.learning_rate=5", 5.0),
        ("train.learning_rate=-1e-05", "-1e-05, which should be greater than 0; change it"),
        ("train.learning_rate=inf", "inf, which should be a finite number; change it"),
        ("train.learning_rate=nan", "nan, which should be a finite number; change it"),
        ("train.learning_rate=null", "None, which should be a valid number; change it"),
        ("train.learning_rate=true", "True, which should be a valid number; change it"),
        ("train.learning_rate='1e-05'", "'1e-05', which should be a valid number; write 1e-05 without quotes"),
        ("train.learning_rate=[1e-05]", "[1e-05], which should be a valid number; change it"),
        ("train.learning_rate={a:1e-05}", "{'a': 1e-05}, which should be a valid number; change it"),
        ("train.dropout=null", None),
        ("train.num_threads=1e16", "1e+16, which should be a valid integer; change it"),
    ],
)
def test_what_exp_run_sets_is_read_as_what_it_is(tmp_path: Path, setting: str, expected: Any) -> None:
    """With the function behind `dvc exp run -S`; through all of DVC in tests/pipeline/test_other_trees.py."""
    path = tmp_path / "params.yaml"
    path.write_bytes((ROOT / "params.yaml").read_bytes())
    apply_overrides(path, [setting])
    name = setting.partition("=")[0]
    if isinstance(expected, str):
        with pytest.raises(SpanlineError) as caught:
            params.load(path, "train", TrainParams)
        assert str(caught.value) == f"{path}: '{name}' is {expected}"
    else:
        assert getattr(params.load(path, "train", TrainParams), name.partition(".")[2]) == expected


@pytest.mark.parametrize("file", ["params.yaml", "dvc.lock", "dvc.yaml"])
def test_the_files_of_the_repository_are_read_as_dvc_reads_them(file: str) -> None:
    path = ROOT / file
    assert params.read_yaml(path) == parse_yaml(path.read_text(encoding="utf-8"), str(path))


def test_a_section_that_is_edited_while_it_is_in_use_is_refused_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But not one that is put back, one that nobody loaded, or a comment."""
    monkeypatch.setattr(params, "_loaded", {})
    load(tmp_path, GOOD + "other: 5\n")
    path = tmp_path / "params.yaml"
    path.write_text("# a comment\n" + GOOD + "other: 6\n")
    params.check_unchanged()
    path.write_text(GOOD.replace("64", "65"))
    with pytest.raises(SpanlineError) as caught:
        params.check_unchanged()
    what = "'outer' was edited while the stage ran, and DVC would record the edit with the result of the old"
    assert str(caught.value) == f"{path}: {what}; run the stage again"
    path.write_text(GOOD)
    params.check_unchanged()

"""A preset changes the values that it names and nothing else: comments stay, an unknown key writes nothing."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from spanline import preset
from spanline.common.errors import SpanlineError

PARAMS = """\
# Every number.
train:
  epochs: 2.0  # passes
  name: 'quoted'  # kept as it is

  dropout: 0.1  # null keeps the encoder's
  nested:
    rows: {train: 5, validation: 7}  # questions
    sha256: {}  # file -> hex
"""


@pytest.fixture
def params(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS, encoding="utf-8")
    return path


def apply(params: Path, text: str) -> list[str]:
    path = params.with_name("small.yaml")
    path.write_text(text, encoding="utf-8")
    return preset.apply(path, params)


def test_values_change_and_comments_stay(params: Path) -> None:
    text = "# A preset.\ntrain:\n  epochs: 3.0\n  dropout: null\n  nested:\n    rows: {validation: 8}\n"
    assert apply(params, text) == [
        "train.epochs: 2.0 -> 3.0",
        "train.dropout: 0.1 -> None",
        "train.nested.rows.validation: 7 -> 8",
    ]
    expected = PARAMS.replace("2.0", "3.0").replace("dropout: 0.1 ", "dropout: null").replace("7}", "8}")
    assert params.read_text(encoding="utf-8") == expected


def test_an_empty_mapping_takes_any_keys(params: Path) -> None:
    lines = apply(params, "train:\n  nested:\n    sha256: {model.safetensors: abc}\n")
    assert len(lines) == 1
    assert "model.safetensors" in params.read_text()


def test_the_same_values_change_nothing(params: Path) -> None:
    assert apply(params, "train:\n  epochs: 2.0\n  name: quoted\n") == []
    assert params.read_text(encoding="utf-8") == PARAMS


def test_other_writers_of_yaml_in_this_process_stay_as_they_were(params: Path) -> None:
    apply(params, "train: {epochs: 3.0}\n")
    text = io.StringIO()
    YAML().dump({"limit": None}, text)
    assert text.getvalue() == "limit:\n"


def test_applied_twice_is_applied_once(params: Path) -> None:
    text = "train: {epochs: 5.0}\n"
    assert apply(params, text)
    once = params.read_bytes()
    assert apply(params, text) == []
    assert params.read_bytes() == once


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("train:\n  epochs: 9.0\n  droput: 0.2\n", "unknown key 'train.droput'; did you mean 'train.dropout'?"),
        ("trian:\n  epochs: 9.0\n", "unknown key 'trian'; did you mean 'train'?"),
        ("train: {nested: {zzz: 1}}\n", "unknown key 'train.nested.zzz'; take it out"),
    ],
)
def test_an_unknown_key_writes_nothing(params: Path, text: str, expected: str) -> None:
    with pytest.raises(SpanlineError) as caught:
        apply(params, text)
    assert str(caught.value) == f"{params.with_name('small.yaml')}: {expected}"
    assert params.read_text(encoding="utf-8") == PARAMS
    assert {path.name for path in params.parent.iterdir()} == {"params.yaml", "small.yaml"}


def run_main(monkeypatch: pytest.MonkeyPatch, params: Path, *names: str) -> None:
    folder = params.parent / "presets"
    folder.mkdir(exist_ok=True)
    (folder / "small.yaml").write_text("# A small one.\ntrain: {epochs: 1.0}\n")
    (folder / "large.yaml").write_text("# A large one.\ntrain: {epochs: 2.0}\n")
    monkeypatch.setattr(sys, "argv", ["preset", "--presets", str(folder), "--params", str(params), *names])
    preset.main()


def test_the_command_lists(params: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run_main(monkeypatch, params)
    assert [line.split(maxsplit=1) for line in capsys.readouterr().err.splitlines()] == [
        ["large", "A large one."],
        ["small", "A small one."],
    ]
    assert params.read_text(encoding="utf-8") == PARAMS


def test_the_command_says_what_changed(
    params: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_main(monkeypatch, params, "small")
    run_main(monkeypatch, params, "small")
    assert capsys.readouterr().err == "train.epochs: 2.0 -> 1.0\nnothing to change\n"


def test_an_unknown_preset_is_one_line(params: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SpanlineError) as caught:
        run_main(monkeypatch, params, "medium")
    assert str(caught.value) == f"{params.parent / 'presets'}: has no preset 'medium'; choose one of large, small"

"""A stage refuses other versions of the libraries than params.yaml names, and says what to install."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from spanline.common import environment
from spanline.common.errors import SpanlineError


def message(tmp_path: Path, text: str, *packages: str) -> str:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(SpanlineError) as caught:
        environment.require(path, *packages)
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_the_installed_versions_pass(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"environment:\n  numpy: {version('numpy')}\n  pyarrow: {version('pyarrow')}\n  other: 1.0\n")
    environment.require(path, "numpy", "pyarrow")


def test_a_local_build_label_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "version", lambda package: "2.13.0+cpu")
    path = tmp_path / "params.yaml"
    path.write_text("environment: {torch: 2.13.0}\n")
    environment.require(path, "torch")


def test_another_version_is_one_line(tmp_path: Path) -> None:
    found = version("numpy")
    expected = (
        f"params.yaml: 'environment.numpy' is 1.0.0, installed is {found}; pip install 'numpy==1.0.0', "
        f"or set it to '{found}' there: the stages that it shapes run again"
    )
    assert message(tmp_path, "environment: {numpy: 1.0.0}\n", "numpy") == expected


def test_a_version_that_yaml_reads_as_a_number_is_compared_as_text(tmp_path: Path) -> None:
    assert message(tmp_path, "environment: {numpy: 2.4}\n", "numpy").startswith(
        "params.yaml: 'environment.numpy' is 2.4, installed is "
    )


def test_a_missing_key_is_one_line(tmp_path: Path) -> None:
    expected = "params.yaml: 'environment.numpy' is missing; add it, as in numpy: '1.2.3'"
    assert message(tmp_path, "environment: {pyarrow: 1}\n", "numpy") == expected
    assert message(tmp_path, "environment:\n", "numpy") == expected
    assert message(tmp_path, "other: 1\n", "numpy") == expected


def test_a_package_that_is_not_installed_is_one_line(tmp_path: Path) -> None:
    expected = "params.yaml: no-such-package is not installed; pip install 'no-such-package==1.2'"
    assert message(tmp_path, "environment: {no-such-package: '1.2'}\n", "no-such-package") == expected

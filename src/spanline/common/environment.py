"""The versions of libraries that shape an output are parameters: a stage refuses to run under another one."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from spanline.common.errors import SpanlineError
from spanline.common.params import read_yaml, remember


def require(path: Path, *packages: str) -> None:
    """Compare the installed `packages` with section `environment` of params.yaml at `path`.

    A local build label (`2.13.0+cpu`) does not count. Raises SpanlineError that says what to install.
    """
    wanted = read_yaml(path).get("environment") or {}
    for package in packages:
        if package not in wanted:
            raise SpanlineError(path, f"'environment.{package}' is missing", f"add it, as in {package}: '1.2.3'")
        remember(path, f"environment.{package}", wanted[package])
        _compare(path, package, str(wanted[package]))


def _compare(path: Path, package: str, wanted: str) -> None:
    try:
        found = version(package).split("+")[0]
    except PackageNotFoundError:
        raise SpanlineError(path, f"{package} is not installed", f"pip install '{package}=={wanted}'") from None
    if found != wanted:
        todo = f"pip install '{package}=={wanted}', or set it to '{found}' there: the stages that it shapes run again"
        raise SpanlineError(path, f"'environment.{package}' is {wanted}, installed is {found}", todo)


def hide(package: str) -> None:
    """Make a package that may be installed look absent to this process.

    pyarrow imports pandas, if it can, on the first conversion to numpy: that takes longer than all the rest of a light
    stage, and serves none of it.
    """
    sys.meta_path.insert(0, _Hidden(package))


class _Hidden:  # a finder, but no child of importlib.abc's, whose import takes 25 ms
    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == self._package:
            raise ModuleNotFoundError(f"{name} is hidden from this process", name=name)

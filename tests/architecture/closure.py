"""The modules of ours that a stage imports, directly or not, read off the source without running it."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.paths import ROOT


def closure(script: Path) -> set[str]:
    """Paths from the root, of `script`, of its package's __init__.py, which runs before it, and of every file under
    src/ that they import, imports in functions included."""
    found: set[Path] = set()
    queue = [script, script.parent / "__init__.py"]
    while queue:
        path = queue.pop()
        if path not in found:
            found.add(path)
            queue += [file for name in _imported(path) for file in _files(name)]
    return {str(path.relative_to(ROOT)) for path in found if path.stat().st_size}  # an empty __init__.py can't matter


def _imported(path: Path) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write it out, the closure reads names"
            names += [str(node.module)] + [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def _files(module: str) -> list[Path]:
    """The files that importing `module` runs: its own and its packages' __init__.py; none for other people's."""
    top, *rest = module.split(".")
    if top != "spanline":
        assert top != "stages", "a stage imports another stage; they talk through files"
        return []
    folders = [ROOT / "src" / "spanline" / Path(*rest[:depth]) for depth in range(len(rest) + 1)]
    files = [folder / "__init__.py" for folder in folders] + [folders[-1].with_suffix(".py")]
    return [file for file in files if file.is_file()]


def rooms() -> dict[str, set[str]]:
    """Each package directly in src/spanline -> the modules in it, as paths from the root."""
    folders = [path.parent for path in (ROOT / "src" / "spanline").glob("*/__init__.py")]
    return {str(folder.relative_to(ROOT)): _modules(folder) for folder in sorted(folders)}


def _modules(folder: Path) -> set[str]:
    return {str(path.relative_to(ROOT)) for path in folder.rglob("*.py") if path.stat().st_size}


def named_shortly(modules: set[str]) -> list[str]:
    """The modules as dvc.yaml names them: a folder where all of its modules are among them, else the files."""
    whole = {folder: inside for folder, inside in rooms().items() if inside <= modules}
    return sorted({*whole, *modules.difference(*whole.values())})

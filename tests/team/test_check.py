"""`make check` exits with 0 only when dvc.lock fits the commit and the remote is whole; it runs and fetches nothing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.make import yaml_text
from tests.pipeline.workspace import Workspace

OUTDATED = "error: dvc.lock is out of date; dvc repro --pull, then commit dvc.lock and metrics"
NOT_WHOLE = "error: the remote is not whole; whoever ran the stages types make push"


@pytest.fixture(scope="module")
def in_ci(shared_by_ann: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A fresh clone, as CI has it: no data, no cache."""
    folder = tmp_path_factory.mktemp("check") / "ci"
    shutil.copytree(shared_by_ann / "store", folder / "store")
    subprocess.run(["git", "clone", "-q", str(shared_by_ann / "hub.git"), str(folder / "clone")], check=True)
    return Workspace(folder / "clone")


@pytest.fixture
def fresh(in_ci: Workspace) -> Iterator[Workspace]:
    """The module's clone; what the test changes in it is put back."""
    yield in_ci
    in_ci.run("git", "reset", "-q", "--hard", "HEAD")


def check(workspace: Workspace) -> tuple[int, list[str]]:
    """Exit code and lines of the command."""
    done = workspace.run("python", "-m", "tools.check", check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.splitlines()


def objects_here(workspace: Workspace) -> list[Path]:
    """Data and cached objects in the clone."""
    folders = (workspace.root / "data", workspace.root / ".dvc" / "cache")
    return [path for folder in folders for path in folder.rglob("*") if path.is_file() and path.name != ".gitignore"]


def test_a_whole_commit_passes_without_data(fresh: Workspace) -> None:
    code, lines = check(fresh)
    assert (code, lines[0]) == (0, "dvc.lock is up to date and its 51 objects are on the remote")
    assert objects_here(fresh) == []
    assert fresh.run("git", "status", "--short").stdout == ""


def edit_code(root: Path) -> None:
    with (root / "src/spanline/train/loop.py").open("a") as file:
        file.write("# a comment\n")


def edit_params(root: Path) -> None:
    path = root / "params.yaml"
    path.write_text(path.read_text().replace("max_answer_length: 30", "max_answer_length: 29"))


def edit_command(root: Path) -> None:
    path = root / "dvc.yaml"
    path.write_text(path.read_text().replace("-m stages.download --out", "-m stages.download  --out"))


def edit_metrics(root: Path) -> None:
    with (root / "metrics/validation.json").open("a") as file:
        file.write("\n")


def delete_metrics(root: Path) -> None:
    (root / "metrics/validation.json").unlink()


def edit_lock(root: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    lock = yaml_text.load((root / "dvc.lock").read_text())
    edit(lock["stages"])
    (root / "dvc.lock").write_text(yaml_text.dump(lock))


def drop_entry(root: Path) -> None:
    edit_lock(root, lambda stages: stages.pop("score"))


def feed_other_file(root: Path) -> None:
    """As a careless merge leaves it: featurize ran with another file than download's entry names."""

    def edit(stages: dict[str, Any]) -> None:
        [dep] = [dep for dep in stages["featurize@train"]["deps"] if dep["path"] == "data/squad/train.parquet"]
        dep["md5"] = "0" * 32

    edit_lock(root, edit)


def feed_other_folder(root: Path) -> None:
    def edit(stages: dict[str, Any]) -> None:
        [dep] = [dep for dep in stages["predict@validation"]["deps"] if dep["path"] == "data/model"]
        dep["md5"] = "0" * 32 + ".dir"

    edit_lock(root, edit)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (edit_code, ["train: not what dvc.lock says: src/spanline/train (modified)"]),
        (
            edit_params,
            [f"{name}: not what dvc.lock says: answer_search" for name in ("calibrate", "postprocess", "report")],
        ),
        (edit_command, ["download: not what dvc.lock says: command"]),
        (edit_metrics, ["score: not what dvc.lock says: metrics/validation.json (modified)"]),
        (delete_metrics, ["score: not what dvc.lock says: metrics/validation.json (deleted)"]),
        (drop_entry, ["score: has no entry in dvc.lock"]),
        (
            feed_other_file,
            [
                "featurize@train: dvc.lock says that it ran with another data/squad/train.parquet "
                "than it names as output"
            ],
        ),
        (
            feed_other_folder,
            ["predict@validation: dvc.lock says that it ran with another data/model than it names as output"],
        ),
    ],
)
def test_each_kind_of_staleness_is_named(fresh: Workspace, change: Callable[[Path], None], expected: list[str]) -> None:
    change(fresh.root)
    assert check(fresh) == (1, [*expected, OUTDATED])


def test_an_object_missing_in_a_folder_is_named(fresh: Workspace) -> None:
    """DVC's own `dvc status --cloud` takes the folder's listing as proof of its files."""
    lock = yaml_text.load((fresh.root / "dvc.lock").read_text())["stages"]
    [model] = [out["md5"] for out in lock["train"]["outs"] if out["path"] == "data/model"]
    store = fresh.root.parent / "store" / "files" / "md5"
    listing = store / model[:2] / model[2:]
    [oid] = [entry["md5"] for entry in yaml_text.load(listing.read_text()) if entry["relpath"] == "model.safetensors"]
    for path, line in (
        (store / oid[:2] / oid[2:], f"data/model/model.safetensors: {oid} is not on the remote"),
        (listing, f"data/model: {model} is not on the remote"),
    ):
        away = path.rename(fresh.root.parent / "away")
        assert check(fresh) == (1, [line, NOT_WHOLE])
        away.rename(path)
    assert check(fresh)[0] == 0


def test_without_a_remote_one_line_says_what_to_type(fresh: Workspace) -> None:
    fresh.run("dvc", "remote", "remove", "team")
    assert check(fresh) == (1, ["error: .dvc/config: names no remote; set one up: make team REMOTE=URL"])


def test_a_remote_that_cannot_be_reached_ends_in_one_line(fresh: Workspace) -> None:
    """No server listens on this port: 1 is reserved."""
    fresh.run("dvc", "remote", "add", "--force", "--default", "team", "ssh://127.0.0.1:1/store")
    code, lines = check(fresh)
    assert code == 1
    assert len(lines) == 1
    assert lines[0].startswith("error: remote /store/files/md5: cannot be read: ")
    assert lines[0].endswith("fix its access and try again")

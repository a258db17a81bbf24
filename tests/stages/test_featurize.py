"""The featurize stage as the shell sees it: shards and nothing else, the same bytes always, one-line errors."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spanline.common import console, files
from spanline.dataset import splits
from spanline.storage import features, shards
from stages import featurize
from tests.make.project import files_of, make_project, run_stage, tiny_examples, write_params
from tests.paths import ROOT

OPTIONS = shlex.split("--squad squad.parquet --tokenizer tokenizer.json --config config.json --out data/features")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    make_project(folder)
    shutil.rmtree(folder / "logits")
    shutil.rmtree(folder / "features")
    return folder


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return tmp_path


def refused(folder: Path) -> str:
    """The one line of a run that the stage refuses; it leaves no file behind."""
    before = files_of(folder)
    code, lines = run_stage(folder, "featurize", *OPTIONS)
    assert (code, len(lines)) == (1, 1), lines
    assert {name for name in files_of(folder) if name != "data"} == before
    return lines[0]


def test_leaves_shards_and_a_manifest(project: Path) -> None:
    before = files_of(project)
    code, lines = run_stage(project, "featurize", *OPTIONS)
    assert code == 0, lines
    manifest = features.manifest(project / "data" / "features")
    names = {f"data/features/{name}" for name in ["manifest.json", *(shard["file"] for shard in manifest.shards)]}
    assert len(names) > 3
    assert files_of(project) - before == names
    assert manifest.made_from == {
        "squad": files.sha256(project / "squad.parquet"),
        "tokenizer": files.sha256(project / "tokenizer.json"),
    }
    assert manifest.params["doc_stride"] == 32
    assert (manifest.counts["questions"], manifest.counts["features"]) == (39, manifest.rows)
    assert lines[-2].startswith(f"39 questions -> {manifest.rows} features of ")
    assert lines[-1].startswith("done in ")
    data = features.read(manifest)
    starts = features.example_bounds(data)[:-1]
    assert data.ids.take(starts).to_pylist() == [example.id for example in tiny_examples()]


def test_same_inputs_same_bytes_whatever_the_workers(project: Path) -> None:
    found = []
    for workers in (1, 2):
        write_params(project, runtime={"workers": workers, "progress_every_s": 1e-9})
        assert run_stage(project, "featurize", *OPTIONS)[0] == 0
        out = project / "data" / "features"
        found.append({path.name: files.sha256(path) for path in sorted(out.iterdir())})
    assert found[0] == found[1]


def test_an_empty_split_gives_an_empty_shard(project: Path) -> None:
    splits.write(project / "squad.parquet", [])
    code, lines = run_stage(project, "featurize", *OPTIONS)
    assert code == 0, lines
    assert {path.name for path in (project / "data" / "features").iterdir()} == {"00000.parquet", "manifest.json"}
    assert features.manifest(project / "data" / "features").rows == 0


@pytest.mark.parametrize("name", ["squad.parquet", "tokenizer.json", "config.json", "params.yaml"])
def test_a_missing_file_is_one_line(project: Path, name: str) -> None:
    (project / name).unlink()
    line = refused(project)
    assert line.startswith(f"error: {name}: ")
    assert "no such file" in line.lower()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"featurize": {"doc_stride": 100}},
            "params.yaml: featurize.doc_stride is 100, but beside a question of 32 tokens a feature has room for "
            "93 context tokens; choose less than 93",
        ),
        (
            {"featurize": {"max_length": 161}},
            "params.yaml: featurize.max_length is 161, but the model of config.json has 160 positions; "
            "choose 160 or less",
        ),
        (
            {"featurize": {"doc_strid": 3}},
            "params.yaml: unknown key 'featurize.doc_strid'; did you mean 'doc_stride'?",
        ),
        (
            {"featurize": {"max_length": "128"}},
            "params.yaml: 'featurize.max_length' is '128', which should be a valid integer; write 128 without quotes",
        ),
        (
            {"featurize": {"long_questions": "refuse"}},
            "question long-question: has {length} tokens, more than featurize.max_question_length 32; "
            "raise that number or set featurize.long_questions: cut",
        ),
    ],
)
def test_params_that_cannot_be_are_one_line(project: Path, changes: dict[str, Any], expected: str) -> None:
    write_params(project, **changes)
    line = refused(project)
    if "{length}" in expected:
        before, after = expected.split("{length}")
        assert line.startswith(f"error: {before}")
        assert line.endswith(after)
    else:
        assert line == f"error: {expected}"


def test_another_library_version_is_one_line(project: Path) -> None:
    write_params(project, environment={"tokenizers": "0.1.0"})
    line = refused(project)
    assert line.startswith("error: params.yaml: 'environment.tokenizers' is 0.1.0, installed is ")


def test_a_damaged_split_is_one_line_and_leaves_the_old_features(project: Path) -> None:
    assert run_stage(project, "featurize", *OPTIONS)[0] == 0
    old = files.sha256(project / "data" / "features" / "manifest.json")
    path = project / "squad.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    assert refused(project).startswith("error: squad.parquet: is no whole parquet file ")
    assert files.sha256(project / "data" / "features" / "manifest.json") == old


def test_a_full_disk_is_one_line_and_leaves_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_table = shards.write_table

    def on_a_full_disk(table: Any, path: Path, delta_columns: tuple[str, ...]) -> None:
        write_table(table, path, delta_columns)
        if path.name == "00001.parquet":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shards, "write_table", on_a_full_disk)
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "argv", ["featurize", *OPTIONS])
    with pytest.raises(SystemExit) as caught:
        console.run(featurize.main)
    hint = "free some space and run again; nothing half-written was kept"
    assert caught.value.code == f"error: disk: No space left on device; {hint}"
    assert not list((project / "data").iterdir())


LIMITED = """
import resource, sys
from spanline.common import console
from stages import featurize
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
sys.argv = ["featurize", *sys.argv[1:]]
console.run(featurize.main)
"""


def test_a_write_that_the_machine_refuses_is_one_line_and_leaves_nothing(project: Path) -> None:
    """Here the parquet writer itself meets the error, in the first shard of more than 4,000 bytes."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    command = [sys.executable, "-c", LIMITED, *OPTIONS]
    result = subprocess.run(command, cwd=project, env=environ, capture_output=True, text=True, check=False)
    expected = "error: disk: File too large; raise the limit on file sizes (`ulimit -f`) and run again\n"
    assert (result.returncode, result.stderr) == (1, expected)
    assert not list((project / "data").iterdir())

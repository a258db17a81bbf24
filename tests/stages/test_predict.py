"""The predict stage as the shell sees it: its shards follow the features', the same bytes twice and after a kill."""

from __future__ import annotations

import re
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from spanline import model_folder
from spanline.common import files
from spanline.storage import features, logits, shards
from tests.make.features import make_features, write_features
from tests.make.predicting import make_project, outputs, run, start, write_params


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path)


def test_a_shard_of_logits_for_each_shard_of_features(project: Path) -> None:
    code, lines = run(project)
    assert code == 0, lines
    names = {path.name for path in (project / "data" / "logits").iterdir()}
    assert names == {"00000.parquet", "00001.parquet", "00002.parquet", "manifest.json"}
    given, found = (
        features.manifest(project / "features"),
        shards.read_manifest(project / "data/logits", logits.KIND),
    )
    assert [shard["rows"] for shard in found.shards] == [shard["rows"] for shard in given.shards] == [5, 5, 2]
    weights = files.sha256(project / "model" / "model.safetensors")
    assert found.made_from == {"features": given.sha256, "model": weights}
    data, values = features.read(given), logits.read(project / "data" / "logits", given)
    assert values.start.lengths.tolist() == values.end.lengths.tolist() == data.lengths.tolist()
    assert np.isfinite(values.start.values).all()
    assert lines[-2].startswith(f"12 features -> data/logits, {data.lengths.sum()} tokens computed at ")
    assert "features/s" in lines[0]
    assert not (project / ".scratch").exists()


@pytest.mark.slow
def test_same_inputs_same_bytes_whatever_the_number_of_workers(project: Path) -> None:
    hashes = []
    for workers in (1, 3, 3):
        write_params(project, workers)
        assert run(project)[0] == 0
        hashes.append(outputs(project))
    assert hashes[0] == hashes[1] == hashes[2]


@pytest.fixture
def long_project(project: Path) -> Path:
    """A line of progress for each of 1,500 features is more than a pipe holds that nobody reads: predict stands still
    in the middle until somebody does, and can't end before a test has killed it."""
    lengths = np.random.default_rng(5).integers(8, 13, 1500).tolist()
    write_features(make_features(lengths), project / "features", project / "model" / "tokenizer.json", 300)
    write_params(project, workers=2, tokens_per_batch=1)
    return project


def start_and_stop(folder: Path, number: signal.Signals) -> tuple[int, list[str]]:
    """Exit code and stderr of a predict that got the signal after its first whole shard, before its last one."""
    process = start(folder)
    deadline = time.monotonic() + 120
    while not list(folder.glob(".scratch/predict/*/00000.*")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=120)
    return process.returncode, stderr.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(number: signal.Signals, long_project: Path) -> None:
    code, lines = start_and_stop(long_project, number)
    assert code == {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    assert not (long_project / "data" / "logits").exists()
    if number != signal.SIGKILL:
        assert lines[-1] == "stopped; run the same command again to go on after the last whole shard"
        assert not list((long_project / "data").iterdir())

    code, lines = run(long_project)
    assert code == 0, lines[-5:]
    assert lines[0].startswith("shard 1 of 5 is done already, kept in .scratch/predict/")
    resumed = outputs(long_project)
    assert set(resumed) == {*(f"{shard:05d}.parquet" for shard in range(5)), "manifest.json"}
    assert not (long_project / ".scratch").exists()

    code, lines = run(long_project)
    assert (code, outputs(long_project)) == (0, resumed)
    assert not any("done already" in line for line in lines)


@pytest.mark.slow
def test_another_configuration_does_not_pick_it_up(long_project: Path) -> None:
    start_and_stop(long_project, signal.SIGKILL)
    write_params(long_project, tokens_per_batch=100)
    code, lines = run(long_project)
    assert code == 0
    assert not any("done already" in line for line in lines)
    assert list(long_project.glob(".scratch/predict/*/00000.*"))  # the first one's stay


def test_logits_that_are_not_finite_are_one_line(project: Path) -> None:
    tensors = load_file(project / "model" / "model.safetensors")
    tensors["qa_outputs.bias"][1] = float("nan")
    save_file(tensors, project / "model" / "model.safetensors", metadata={"format": "pt"})
    model_folder.write_manifest(project / "model")
    code, lines = run(project)
    assert (code, len(lines)) == (1, 1)
    assert re.match(r"error: predict, question q\d+, feature 0: its logits are not finite; ", lines[0])
    assert not list((project / "data").iterdir())


def test_an_empty_split_gives_no_rows(project: Path) -> None:
    write_features(make_features([]), project / "features", project / "model" / "tokenizer.json")
    assert run(project)[0] == 0
    given = features.manifest(project / "features")
    assert len(logits.read(project / "data" / "logits", given).start) == 0


def test_features_of_another_tokenizer_are_one_line(project: Path) -> None:
    write_features(make_features([9]), project / "features", project / "params.yaml")
    code, lines = run(project)
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith("error: features: was made with another tokenizer than model/tokenizer.json; ")
    assert not (project / "data").exists()


def test_a_missing_model_is_one_line(project: Path) -> None:
    shutil.rmtree(project / "model")
    code, lines = run(project)
    expected = "error: model/config.json: there is no such file; run the stage that makes it: dvc repro train"
    assert (code, lines) == (1, [expected])


def test_a_missing_shard_leaves_nothing_behind(project: Path) -> None:
    (project / "features" / "00002.parquet").unlink()
    code, lines = run(project)
    assert code == 1
    assert lines[-1].startswith("error: features/00002.parquet: is missing, though the manifest lists it; ")
    assert not list((project / "data").iterdir())

"""The train stage as the shell sees it: files left behind, bytes, kills at any moment, one-line errors."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.make.training import OUTPUTS, make_inputs, make_project, outputs, run, start, write_params

LIVE = {"metrics/train.json", "metrics/train_history.csv", "metrics/train_epochs.csv"}  # while a run goes on


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture
def project(inputs: Path, tmp_path: Path) -> Path:
    """A folder with the stage's inputs and a params.yaml of 240 steps."""
    return make_project(inputs, tmp_path / "project")


@pytest.fixture(scope="module")
def straight(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], list[str], Path]:
    """Output hashes, stderr and folder of a run that nothing disturbed."""
    folder = make_project(inputs, tmp_path_factory.mktemp("straight") / "project")
    code, lines = run(folder)
    assert code == 0, lines
    return outputs(folder), lines, folder


def test_leaves_these_files_and_nothing_else(straight: tuple[dict[str, str], list[str], Path]) -> None:
    found, _, folder = straight
    assert set(found) == OUTPUTS
    assert {path.name for path in folder.iterdir()} == {
        "calibration",
        "checkpoint",
        "data",
        "features",
        "metrics",
        "params.yaml",
    }
    result = json.loads((folder / "metrics" / "train.json").read_text())
    assert (result["steps"], result["features"], result["epochs"]) == (240, 880, 40)
    history = (folder / "metrics" / "train_history.csv").read_text().splitlines()
    assert history[0] == "step,epoch,loss,learning_rate,grad_norm"
    assert len(history) == 241
    timings = json.loads((folder / "metrics" / "runtime" / "train.json").read_text())
    assert {"features_per_s", "tokens_per_s", "padding_share", "peak_memory_mib"} <= set(timings)


def test_says_how_it_goes(straight: tuple[dict[str, str], list[str], Path]) -> None:
    lines = straight[1]
    assert lines[0] == "span head: new, drawn from seed 17"
    for part in ("train  ", "/880 features  step ", "loss ", "lr ", "tokens/s", "padding ", "features/s", " left"):
        assert part in lines[1]
    assert lines[-2].startswith("240 steps, final loss ")
    assert lines[-1].startswith("done in ")


def test_no_more_steps_leave_a_model_of_ours_as_it_is(
    straight: tuple[dict[str, str], list[str], Path], project: Path
) -> None:
    shutil.rmtree(project / "checkpoint")
    shutil.copytree(straight[2] / "data" / "model", project / "checkpoint")
    write_params(project, epochs=0)
    code, lines = run(project)
    assert code == 0, lines
    assert lines[:2] == [
        "span head: kept from the checkpoint",
        "no step: the checkpoint's model as it is -> data/model",
    ]
    found = outputs(project)
    assert set(found) == OUTPUTS
    for name in ("model.safetensors", "tokenizer.json"):
        assert found[f"data/model/{name}"] == straight[0][f"data/model/{name}"]
    result = json.loads((project / "metrics" / "train.json").read_text())
    assert (result["steps"], result["features"], result["final_loss"], result["head"]) == (0, 0, None, "kept")
    assert (project / "metrics" / "train_history.csv").read_text().count("\n") == 1


def test_an_encoder_without_a_head_is_not_scored_untrained(project: Path) -> None:
    write_params(project, epochs=0)
    what = "checkpoint/model.safetensors holds no span head of one linear layer, and train.epochs is 0"
    assert refusal(project).startswith(f"error: params.yaml: {what}; choose a question-answering checkpoint, or train")


@pytest.mark.slow
def test_same_inputs_same_bytes(straight: tuple[dict[str, str], list[str], Path], project: Path) -> None:
    assert run(project)[0] == 0
    assert without_timings(outputs(project)) == without_timings(straight[0])


def without_timings(hashes: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in hashes.items() if "runtime" not in name}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(
    number: signal.Signals, straight: tuple[dict[str, str], list[str], Path], project: Path
) -> None:
    write_params(project, every_min=1e-9)
    process = start(project)
    wait_for_point(project, step=random.randint(1, 60))
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    expected = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    assert process.returncode == expected, stderr
    assert {path.name for path in (project / "data").iterdir()} <= {".model.lock"}
    assert_beginning_of(straight[2], project)
    if number != signal.SIGKILL:
        assert "run the same command again to go on from there" in stderr.splitlines()[-1]
    write_params(project)
    code, lines = run(project)
    assert code == 0
    assert lines[1].startswith("going on after step ")
    assert without_timings(outputs(project)) == without_timings(straight[0])


@pytest.mark.slow
def test_ten_kills_in_a_row_at_random_moments(straight: tuple[dict[str, str], list[str], Path], project: Path) -> None:
    """Some before the first step, some while a resume point is written, for there is one after each step."""
    write_params(project, every_min=1e-9)
    moments = [random.randint(0, 12) for _ in range(10)]  # at most half of the 240 steps, also when the kill comes late
    for moment in moments:
        process = start(project)
        assert process.stderr is not None
        for _ in range(moment):  # lines of progress, one a step
            process.stderr.readline()
        process.kill()
        process.communicate()
        assert process.returncode == -9, f"it ended before it was killed; moments {moments}"
    write_params(project)
    code, lines = run(project)
    assert code == 0, lines
    assert without_timings(outputs(project)) == without_timings(straight[0]), f"moments {moments}"


def assert_beginning_of(whole: Path, folder: Path) -> None:
    """The curves of a run that did not end lie in metrics/ and stand in those of a whole run, row by row."""
    history, all_of_it = ((root / "metrics" / "train_history.csv").read_bytes() for root in (folder, whole))
    assert history.count(b"\n") >= 2
    assert all_of_it.startswith(history)
    assert json.loads((folder / "metrics" / "train.json").read_text())["steps"] >= 1


def wait_for_point(folder: Path, step: int) -> None:
    """Until the run has kept the state of `step` or a later one."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if any(int(path.stem) >= step for path in folder.glob(".scratch/train/*/0*.pt")):
            return
        time.sleep(0.005)
    raise AssertionError(f"no resume point of step {step} after two minutes")


@pytest.mark.slow
def test_another_configuration_does_not_pick_it_up(project: Path) -> None:
    write_params(project, every_min=1e-9)
    process = start(project)
    wait_for_point(project, step=2)
    process.kill()
    process.communicate()
    write_params(project, learning_rate=2e-3, epochs=1)
    code, lines = run(project)
    assert code == 0
    assert not [line for line in lines if "going on" in line]
    assert list(project.glob(".scratch/train/*/0*.pt"))  # the first one's stay


def refusal(project: Path) -> str:
    """The one line of a run that must fail and leave nothing."""
    code, lines = run(project)
    assert code == 1, lines
    assert len(lines) == 1
    assert outputs(project) == {}
    return lines[0]


def test_missing_features_are_one_line(project: Path) -> None:
    shutil.rmtree(project / "features")
    expected = "error: features/manifest.json: there is no such file; run the stage that makes it: dvc repro featurize"
    assert refusal(project) == expected


def test_features_of_another_tokenizer_are_one_line(project: Path) -> None:
    with (project / "checkpoint" / "tokenizer.json").open("a") as file:
        file.write("\n")
    line = refusal(project)
    assert line.startswith("error: features: was made with another tokenizer than checkpoint/tokenizer.json; ")


def test_a_flipped_byte_is_one_line(project: Path) -> None:
    shard = project / "features" / "00001.parquet"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    assert refusal(project).startswith("error: features/00001.parquet: differs from its checksum")


def test_an_unknown_key_is_one_line(project: Path) -> None:
    write_params(project, learning_rat=0.1)
    expected = "unknown key 'train.learning_rat'; did you mean 'learning_rate'?"
    assert refusal(project) == f"error: params.yaml: {expected}"


def test_an_exploding_run_is_one_line(project: Path) -> None:
    write_params(project, learning_rate=1e30, max_grad_norm=1e30)
    code, lines = run(project)
    assert code == 1
    assert lines[-1].startswith("error: train, step ")
    assert "on the features of q" in lines[-1]
    assert set(outputs(project)) <= LIVE


def test_an_earlier_model_keeps_its_curves_until_the_new_one_is_whole(project: Path) -> None:
    """By hand: DVC removes the outputs before it starts a stage."""
    before = {name: f"of the model before: {name}" for name in LIVE}
    for name, text in before.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text)
    (project / "data" / "model").mkdir(parents=True)
    write_params(project, learning_rate=1e30, max_grad_norm=1e30)
    code, lines = run(project)
    assert code == 1
    assert "data/model keeps its curves until the new model is whole; to see the new ones live, move it away" in lines
    assert {name: (project / name).read_text() for name in LIVE} == before
    assert list((project / "data" / "model").iterdir()) == []


def test_a_tracker_that_is_unknown_is_one_line(project: Path) -> None:
    write_params(project)
    path = project / "params.yaml"
    path.write_text(path.read_text().replace("trackers: []", "trackers: [tensorbord]"))
    expected = "'runtime.trackers.0' is 'tensorbord', which should be 'tensorboard' or 'wandb'; change it"
    assert refusal(project) == f"error: params.yaml: {expected}"

"""Kills, full disks, want of memory, two at once and damaged inputs, stage by stage, run by hand.

After each fault: nothing stands under its final name that is not whole; no traceback; and the same command, once the
fault is gone, ends with the bytes of a run that nothing disturbed. Moments and damages come from a seed.

In the slow set SPANLINE_KILLS (40 by default, 200 for docs/RELIABILITY.md) kills are shared out over the stages.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import COMMANDS, TIMEOUT_S, Stage
from tests.faults.damage import OF_BYTES, files_of

SEED = int(os.environ.get("SPANLINE_FAULTS_SEED", "17"))
KILLS = int(os.environ.get("SPANLINE_KILLS", "40"))
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
StageOf = Callable[[str], Stage]


def kill(stage: Stage, folder: Path, number: signal.Signals, after: float) -> bool:
    """Whether the signal, `after` so much of an undisturbed run (0..1), came before the stage had ended.

    The length of a run is taken from its own output: the moment is a share of the time that the last run took."""
    process = stage.start(folder)
    deadline = time.monotonic() + after
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    came_in_time = process.poll() is None
    process.send_signal(number)
    _, said = process.communicate(timeout=TIMEOUT_S)
    is_pythons = "stages/" not in said and "spanline/" not in said  # it was still starting, before any code of ours
    assert "Traceback" not in said or is_pythons, said
    stopped_in_python = is_pythons and "KeyboardInterrupt" in said  # which then exits with 1, as of its own imports
    assert process.returncode in (0, -number, 128 + number) or stopped_in_python, said
    return came_in_time


def kills(stage: Stage, folder: Path, count: int, generator: random.Random) -> int:
    """So many signals at random moments of runs of one folder, then a run to its end. How many came in time."""
    started = time.monotonic()
    undisturbed = stage.copy(folder.with_name(f"{folder.name} undisturbed"))
    assert stage.run(undisturbed)[0] == 0
    takes_s = time.monotonic() - started
    stage.copy(folder)
    hit = 0
    for _ in range(count):
        hit += kill(stage, folder, generator.choice(SIGNALS), generator.uniform(0.0, takes_s))
        stage.assert_whole_or_absent(folder)
    code, said = stage.run(folder)
    assert code == 0, said
    assert stage.written(folder) == stage.expected
    assert not [name for name in files_of(folder) if ".partial" in name or ".lock" in name]
    return hit


def test_kills_of_a_cheap_stage(stage_of: StageOf, tmp_path: Path) -> None:
    assert kills(stage_of("postprocess"), tmp_path / "project", 2, random.Random(SEED)) >= 0


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_kills(stage_of: StageOf, tmp_path: Path, name: str) -> None:
    """Half of all are train's and predict's, which resume."""
    count = KILLS // 4 if name in ("train", "predict") else KILLS // (2 * (len(COMMANDS) - 2)) + 1
    hit = kills(stage_of(name), tmp_path / "project", count, random.Random(f"{SEED} {name}"))
    sys.stdout.write(f"{name}: {count} signals, {hit} before the stage had ended\n")
    assert hit > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk(stage_of: StageOf, tmp_path: Path, name: str) -> None:
    """Files may grow to a size that is too small for the stage's largest: the same error as of a full disk, but for its
    name (tests/team has a disk that is really full)."""
    stage = stage_of(name)
    largest = max(map(len, stage.expected.values()))
    for size in (1, largest // 2, largest - 1):
        folder = stage.copy(tmp_path / str(size))
        code, said = stage.run(folder, {resource.RLIMIT_FSIZE: size})
        assert code == 1, said
        assert "Traceback" not in said
        assert "File too large; raise the limit on file sizes" in said.splitlines()[-1]
        stage.assert_whole_or_absent(folder)
        assert stage.run(folder)[0] == 0
        assert stage.written(folder) == stage.expected


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_want_of_memory(stage_of: StageOf, tmp_path: Path, name: str) -> None:
    """Under limits from too little to start with up to nearly enough. A library that aborts on its own (Rust's,
    OpenBLAS) ends the process by a signal, after which the invariants hold all the same. Python itself, when an import
    fails for want of memory, may have lost the reason: a SystemError that nobody can tell from a bug's.
    """
    lost = "SystemError: error return without exception set"
    stage = stage_of(name)
    for megabytes in (200, 400, 800):
        folder = stage.copy(tmp_path / str(megabytes))
        code, said = stage.run(folder, {resource.RLIMIT_AS: megabytes << 20})
        if code == 1:
            assert "error: out of memory" in said or "Traceback" not in said or lost in said, said
        stage.assert_whole_or_absent(folder)
        if code:
            assert stage.run(folder)[0] == 0
        assert stage.written(folder) == stage.expected


@pytest.mark.slow
@pytest.mark.parametrize("name", ["train", "predict"])
def test_two_at_once(stage_of: StageOf, tmp_path: Path, name: str) -> None:
    """The second is told who is at work, with a way to end it; the first ends as if it had been alone."""
    stage = stage_of(name)
    folder = stage.copy(tmp_path / "project")
    first = stage.start(folder)
    deadline = time.monotonic() + TIMEOUT_S
    while not any(lock.read_text() for lock in folder.glob(".scratch/*/*/lock")):  # empty before it has a number
        assert first.poll() is None, first.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.001)
    first.send_signal(signal.SIGSTOP)  # so that it is still at work when the second comes
    code, said = stage.run(folder)
    first.send_signal(signal.SIGCONT)
    assert code == 1
    assert f"process {first.pid} (python -m stages.{name} " in said
    assert f"is at work on it; wait until it is done, or end it: kill {first.pid}" in said
    _, said = first.communicate(timeout=TIMEOUT_S)
    assert first.returncode == 0, said
    assert stage.written(folder) == stage.expected


def damages(stage: Stage, generator: random.Random) -> list[tuple[str, str]]:
    """Each input file with each way to damage it."""
    names = [name for name in files_of(stage.inputs) if not name.endswith("params.yaml")]
    pairs = [(name, kind) for name in names for kind in (*OF_BYTES, "missing")]
    generator.shuffle(pairs)
    return pairs


def damage(folder: Path, name: str, kind: str, generator: random.Random) -> None:
    path = folder / name
    if kind == "missing":
        path.unlink()
    else:
        path.write_bytes(OF_BYTES[kind](path.read_bytes(), generator))


def try_damage(stage: Stage, folder: Path, name: str, kind: str, generator: random.Random) -> None:
    """A line that names a file, and nothing written; or the very bytes, where the damaged file plays no part. (A split,
    a tokenizer or a config with another meaning is another input, which DVC's hashes tell apart, not the stage.)"""
    stage.copy(folder)
    damage(folder, name, kind, generator)
    code, said = stage.run(folder)
    assert "Traceback" not in said, f"{name} {kind}: {said}"
    if code:
        assert said.splitlines()[-1].startswith("error: "), f"{name} {kind}: {said}"
        written = {part for part in stage.written(folder) if part != name}
        assert not written, f"{name} {kind}: left {written}"


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_damaged_inputs(stage_of: StageOf, tmp_path: Path, name: str) -> None:
    stage, generator = stage_of(name), random.Random(f"{SEED} {name}")
    most = int(os.environ.get("SPANLINE_DAMAGES", "8"))
    for number, (file, kind) in enumerate(damages(stage, generator)[:most]):
        try_damage(stage, tmp_path / str(number), file, kind, generator)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["predict", "calibrate", "postprocess"])
def test_an_extra_shard(stage_of: StageOf, tmp_path: Path, name: str) -> None:
    stage = stage_of(name)
    for number, inner in enumerate(("features", "logits") if name != "predict" else ("features",)):
        folder = stage.copy(tmp_path / str(number))
        (folder / inner / "00009.parquet").write_bytes((folder / inner / "00000.parquet").read_bytes())
        code, said = stage.run(folder)
        assert (code, f"{inner}/00009.parquet: is in the folder, though its manifest does not list it" in said) == (
            1,
            True,
        )
        assert not stage.written(folder).keys() - {f"{inner}/00009.parquet"}

"""Resume points: the last two kept, damaged ones passed over, a folder for each configuration, signals noted."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from spanline.common.params import Section
from spanline.model import resume
from spanline.storage import features
from tests.make.features import make_features, write_features


class TwoParams(Section):
    rate: float
    steps: int


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "tokenizer.json").write_text("{}")
    return folder


def test_the_last_two_are_kept_and_the_newest_is_loaded(tmp_path: Path) -> None:
    for step in (9, 10, 100):
        resume.save(tmp_path / "points", step, {"step": step, "weights": torch.full((2,), step)})
    assert sorted(path.name for path in (tmp_path / "points").iterdir()) == ["000000010.pt", "000000100.pt"]
    state = resume.load(tmp_path / "points")
    assert state is not None
    assert state["step"] == 100


@pytest.mark.parametrize("damage", [lambda content: content[:-40], lambda content: b"", lambda content: b"junk"])
def test_a_damaged_point_is_passed_over(damage: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for step in (1, 2):
        resume.save(tmp_path, step, {"step": step})
    newest = tmp_path / "000000002.pt"
    newest.write_bytes(damage(newest.read_bytes()))  # type: ignore[operator]
    assert resume.load(tmp_path) == {"step": 1}
    assert f"{newest} is damaged" in capsys.readouterr().err


def test_nothing_there_is_a_fresh_start(tmp_path: Path) -> None:
    assert resume.load(tmp_path / "points") is None


def test_a_half_written_point_is_not_seen(tmp_path: Path) -> None:
    (tmp_path / ".000000005.pt.partial").write_bytes(b"half")
    assert resume.load(tmp_path) is None


def test_tables_come_back_as_they_were(tmp_path: Path) -> None:
    table = pa.table({"logits": pa.array([[1.5, -2.0], []], pa.list_(pa.float32()))})
    resume.save_table(tmp_path / "points", 3, table)
    assert resume.load_table(tmp_path / "points", 3) == table
    assert resume.load_table(tmp_path / "points", 2) is None


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-40], lambda content: b"", lambda content: b"\0" + content[1:]]
)
def test_a_damaged_table_is_passed_over(damage: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    resume.save_table(tmp_path, 0, pa.table({"number": [1, 2]}))
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    assert resume.load_table(tmp_path, 0) is None
    assert f"{path} is damaged" in capsys.readouterr().err
    resume.save_table(tmp_path, 0, pa.table({"number": [1, 2]}))
    assert resume.load_table(tmp_path, 0) == pa.table({"number": [1, 2]})


def test_removed_with_its_empty_parents_only(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    resume.save(tmp_path / "scratch" / "train" / "key", 1, {"step": 1})
    resume.remove(tmp_path / "scratch" / "train" / "key")
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_params_inputs_and_code_each_change_the_key(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key(rate: float = 0.1, seed: int = 0) -> str:
        write_features(make_features([9], seed), tmp_path / "features", checkpoint / "tokenizer.json")
        return resume.key(TwoParams(rate=rate, steps=2), features.manifest(tmp_path / "features"), checkpoint)

    keys = [key(), key(rate=0.2), key(seed=1)]
    (checkpoint / "model.safetensors").write_bytes(b"weights")
    keys.append(key())
    monkeypatch.setattr(resume, "code_hashes", lambda: {"spanline.model": "edited"})
    keys.append(key())
    assert len(set(keys)) == len(keys)
    assert key() == keys[-1]


def test_code_is_what_was_imported_of_ours() -> None:
    names = set(resume.code_hashes())
    assert {"spanline.model.resume", "spanline.common.files", "spanline.storage.features"} <= names
    assert all(name.startswith("spanline") for name in names)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_noted_inside_the_block_and_the_handlers_come_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with resume.stop_on_signal() as stop:
        assert stop.signal == 0
        os.kill(os.getpid(), number)
        assert stop.signal == number
        assert signal.getsignal(number) is before  # a second one is not held back
    assert signal.getsignal(number) is before
    with pytest.raises(SystemExit) as leaving:
        stop.leave("saved")
    assert leaving.value.code == 128 + number

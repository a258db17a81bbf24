"""A model is found by folder or hub name, and beside it what it was scored with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from spanline import hub
from spanline.ask.locate import locate
from spanline.common.errors import SpanlineError
from spanline.model import head
from tests.make.answering import EVALUATED
from tests.make.checkpoint import make_stock

CALIBRATION = EVALUATED["calibration"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with all that `locate` looks for in a project."""
    (tmp_path / "data" / "model").mkdir(parents=True)
    (tmp_path / "data" / "squad").mkdir()
    (tmp_path / "metrics").mkdir()
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(EVALUATED))
    (tmp_path / "data" / "calibration.json").write_text(json.dumps(CALIBRATION))
    (tmp_path / "data" / "squad" / "dataset.json").write_text('{"source": "synthetic"}')
    (tmp_path / "metrics" / "train.json").write_text('{"head": "new"}')
    return tmp_path


def test_a_project_brings_params_and_calibration(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = locate(project / "data" / "model").known
    assert known is not None
    assert known.threshold == -7.5
    assert known.featurize.max_length == EVALUATED["featurize"]["max_length"]
    assert known.is_demonstration
    monkeypatch.chdir(project / "data")
    assert locate(Path("model")).known == known


@pytest.mark.parametrize(
    ("name", "content"),
    [("data/squad/dataset.json", '{"source": "files"}'), ("metrics/train.json", '{"head": "kept"}')],
)
def test_real_data_or_a_kept_head_are_no_demonstration(name: str, content: str, project: Path) -> None:
    (project / name).write_text(content)
    known = locate(project / "data" / "model").known
    assert known is not None
    assert not known.is_demonstration


@pytest.mark.parametrize("missing", ["params.yaml", "data/calibration.json"])
def test_half_a_project_is_none(missing: str, project: Path) -> None:
    (project / missing).unlink()
    assert locate(project / "data" / "model").known is None


def test_a_model_elsewhere_takes_nothing_from_a_project(project: Path) -> None:
    (project / "data" / "other").mkdir()
    assert locate(project / "data" / "other").known is None


def test_a_release_brings_its_own(tmp_path: Path) -> None:
    (tmp_path / "answering.json").write_text(json.dumps({**EVALUATED, "is_demonstration": True}))
    known = locate(tmp_path).known
    assert known is not None
    assert known.is_demonstration
    assert known.predict.tokens_per_batch == 300
    older = {name: section for name, section in EVALUATED.items() if name != "predict"}
    (tmp_path / "answering.json").write_text(json.dumps(older))
    known = locate(tmp_path).known
    assert known is not None
    assert (known.predict.tokens_per_batch, known.is_demonstration) == (1024, False)


def test_a_name_on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str | None]] = []

    def snapshot(name: str, revision: str | None, patterns: list[str], todo: str) -> Path:
        asked.append((name, revision))
        assert "answering.json" in patterns
        return tmp_path

    for name in ("model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    monkeypatch.setattr(hub, "snapshot", snapshot)
    assert locate("someone/answers").folder == tmp_path
    assert locate("someone/answers@v1.0").folder == tmp_path
    assert asked == [("someone/answers", None), ("someone/answers", "v1.0")]
    for path in (tmp_path / "no", str(tmp_path / "no"), "no-folder", "a/b/c"):
        assert locate(path).folder == Path(path)  # what is wrong with it is for the loader to say
    assert len(asked) == 2


def test_a_name_that_the_hub_does_not_know_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SpanlineError, match=r"no-one/nothing: can't be loaded \(.*\); give a folder, or a name on the"):
        locate("no-one/nothing")


def test_an_older_model_of_the_hub_is_made_whole_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from safetensors.torch import load_file

    found = tmp_path / "snapshots" / "0123"
    make_stock(found, "bert")
    torch.save(load_file(found / "model.safetensors"), found / "pytorch_model.bin")
    (found / "model.safetensors").unlink()
    monkeypatch.setattr(hub, "snapshot", lambda *_: found)
    whole = locate("someone/older").folder
    assert whole == tmp_path / "spanline" / "0123"
    assert head.find(whole / "model.safetensors") == "qa_outputs"
    before = (whole / "model.safetensors").stat().st_mtime_ns
    assert locate("someone/older").folder == whole
    assert (whole / "model.safetensors").stat().st_mtime_ns == before

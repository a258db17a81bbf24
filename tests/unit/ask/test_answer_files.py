"""Answer files: the same whatever the format of the questions, gone on with after a stop, made without any settings.

That they are those of the pipeline, byte for byte, is seen in tests/pipeline/test_release.py.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from spanline import model_folder
from spanline.ask import answer_files, answering
from spanline.ask.answer_files import Task, write_answers
from spanline.ask.locate import Located, locate
from spanline.common.errors import SpanlineError
from spanline.common.files import sha256
from spanline.dataset import splits
from spanline.predict import run as predict
from spanline.runtime import Runtime
from tests.make.answering import EVALUATED, make_model
from tests.make.project import tiny_examples
from tests.paths import TINY

RUNTIME = Runtime(workers=1, device="cpu", progress_every_s=1e9, checkpoint_every_min=1.0, trackers=[])
NAMES = {"predictions", "best_spans", "null_odds", "na_prob", "nbest", "num_features", "thresholds"}


@pytest.fixture(scope="module")
def model(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A released model; its features lie in shards of 20."""
    made = make_model(tiny_encoder, tmp_path_factory.mktemp("answering") / "model")
    content = {**EVALUATED, "featurize": {**EVALUATED["featurize"], "rows_per_shard": 20}}
    (made / answering.ANSWERING).write_text(json.dumps(content))
    return made


def task(questions: Path, model: Path | Located, tmp_path: Path, threshold: Any = None, kind: str = "auto") -> Task:
    located = model if isinstance(model, Located) else locate(model)
    return Task(questions, kind, located, threshold, RUNTIME, tmp_path / "scratch")


def hashes(folder: Path) -> dict[str, str]:
    return {path.stem: sha256(path) for path in folder.iterdir()}


def test_every_format_gives_the_same_files(model: Path, tmp_path: Path) -> None:
    line = write_answers(task(TINY, model, tmp_path), tmp_path / "json")
    assert line.startswith("39 questions: ")
    assert line.endswith("at threshold -7.5000 logits")
    splits.write(tmp_path / "a.parquet", tiny_examples())
    records = [{"id": e.id, "context": e.context, "question": e.question} for e in tiny_examples()]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    for name in ("a.parquet", "a.jsonl"):
        write_answers(task(tmp_path / name, model, tmp_path), tmp_path / name.replace(".", "-"))
        assert hashes(tmp_path / name.replace(".", "-")) == hashes(tmp_path / "json")
    assert set(hashes(tmp_path / "json")) == NAMES
    assert not (tmp_path / "scratch").exists()


def test_a_stopped_run_goes_on(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_answers(task(TINY, model, tmp_path), tmp_path / "straight")
    original, done = predict.predict, []

    def counted(*args: Any, **options: Any) -> Any:
        done.append(None)
        if len(done) == 2:
            raise KeyboardInterrupt
        return original(*args, **options)

    monkeypatch.setattr(predict, "predict", counted)
    with pytest.raises(KeyboardInterrupt):
        write_answers(task(TINY, model, tmp_path), tmp_path / "answers")
    assert not (tmp_path / "answers").exists()
    num_shards = len(list((tmp_path / "scratch" / "answer").glob("*/features/*.parquet")))
    assert num_shards > 2
    done += [None, None]
    write_answers(task(TINY, model, tmp_path), tmp_path / "answers")
    assert len(done) - 4 == num_shards - 1  # the first was kept
    assert hashes(tmp_path / "answers") == hashes(tmp_path / "straight")


def test_a_threshold_of_ones_own(model: Path, tmp_path: Path) -> None:
    for threshold, null in ((-1e9, True), (1e9, False)):
        write_answers(task(TINY, model, tmp_path, threshold), tmp_path / "out")
        predictions = json.loads((tmp_path / "out" / "predictions.json").read_text())
        assert all((text == "") is null for text in predictions.values())
    write_answers(task(TINY, model, tmp_path, "calibrated"), tmp_path / "out")
    assert json.loads((tmp_path / "out" / "thresholds.json").read_text())["applied"] == -7.5


def test_a_model_of_which_nothing_is_known(model: Path, tmp_path: Path) -> None:
    """Lengths shrink to its positions; the threshold is 0."""
    bare = Located(model, None)
    assert answer_files.default_settings(model).featurize.max_length == 128
    write_answers(task(TINY, bare, tmp_path), tmp_path / "out")
    assert json.loads((tmp_path / "out" / "thresholds.json").read_text()) == {"applied": 0.0, "calibrated": None}
    with pytest.raises(SpanlineError, match="--threshold: is calibrated, but no calibration lies with the model"):
        write_answers(task(TINY, bare, tmp_path, "calibrated"), tmp_path / "out")


def test_a_folder_without_a_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SpanlineError, match=r"config\.json: there is no such file; name a model's folder"):
        write_answers(task(TINY, Located(tmp_path / "none", None), tmp_path), tmp_path / "out")


def test_a_model_that_was_changed_by_hand_is_refused(model: Path, tmp_path: Path) -> None:
    changed = shutil.copytree(model, tmp_path / "model")
    model_folder.write_manifest(changed)
    weights = bytearray((changed / model_folder.WEIGHTS).read_bytes())
    weights[-1] ^= 1
    (changed / model_folder.WEIGHTS).write_bytes(weights)
    with pytest.raises(SpanlineError, match="is not the one that was trained"):
        write_answers(task(TINY, changed, tmp_path), tmp_path / "answers")
    assert not (tmp_path / "answers").exists()

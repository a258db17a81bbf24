"""Whatever lies in the place of a file between stages, its reader takes it or says one line: no traceback, no NaN.

Every truncation, junk of 25 kinds at every node and every node missing; in a fixed order from a seed. The time limit
ends the search on a slow machine: SPANLINE_FUZZ_S (seconds for each reader, 1 by default, 120 for a long search).
"""

from __future__ import annotations

import json
import math
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from spanline import model_folder
from spanline.answers import FILES, Answers
from spanline.ask import answering
from spanline.cli.texts import Lines
from spanline.common import dvc_lock, params
from spanline.common.errors import SpanlineError
from spanline.common.files import parse_json
from spanline.dataset import splits
from spanline.featurize.params import FeaturizeParams
from spanline.featurize.run import model_positions
from spanline.no_answer.calibration import Calibration
from spanline.search.params import AnswerSearchParams
from spanline.storage import features, logits
from tests.faults.damage import OF_BYTES, every_truncation, with_junk
from tests.make.features import make_features, write_features
from tests.paths import ROOT

SEED, TIME_S = 17, float(os.environ.get("SPANLINE_FUZZ_S", "1"))
MOST_CUTS, NUM_FLIPS = 400, 200


def inputs_of(content: bytes, parsed: Any, text_of: Callable[[Any], str]) -> Iterator[tuple[str, bytes]]:
    """What lies in the file's place, and a name for it."""
    generator = random.Random(SEED)
    made = [(what, text_of(value)) for what, value in with_junk(parsed)] if parsed is not None else []
    generator.shuffle(made)
    for cut in every_truncation(content, MOST_CUTS, generator):
        yield f"cut at {len(cut)}", cut
    for number in range(NUM_FLIPS):
        name = list(OF_BYTES)[number % len(OF_BYTES)]
        yield f"{name} {number}", OF_BYTES[name](content, generator)
    for what, text in made:
        yield what, text.encode(errors="surrogatepass")


def attack(path: Path, read: Callable[[], Any], parsed: Any = None, text_of: Callable[[Any], str] = json.dumps) -> int:
    """How many inputs were tried. Every error but SpanlineError, and every number that is not finite, fails."""
    read()  # imports do not count
    content, deadline, tried = path.read_bytes(), time.monotonic() + TIME_S, 0
    for what, damaged in inputs_of(content, parsed, text_of):
        path.write_bytes(damaged)
        try:
            assert_finite(read(), what)
        except SpanlineError as error:
            said = str(error)
        except Exception as error:
            raise AssertionError(f"{path.name}, {what}: {type(error).__name__}: {error}") from error
        else:
            said = ""
        assert len(said) < 2000, what
        tried += 1
        if time.monotonic() > deadline:
            break
    path.write_bytes(content)
    read()
    return tried


def assert_finite(value: Any, what: str) -> None:
    for part in vars(value).values() if hasattr(value, "__dict__") else ():
        assert not isinstance(part, float) or math.isfinite(part), what


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Features and their logits."""
    (tmp_path / "tokenizer.json").write_text("{}")
    data = make_features([9, 14, 30, 12])
    write_features(data, tmp_path / "features", tmp_path / "tokenizer.json")
    return tmp_path


def test_params_yaml(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    sections = {"featurize": FeaturizeParams, "answer_search": AnswerSearchParams}
    given = yaml.safe_load((ROOT / "params.yaml").read_text())
    parsed = {name: given[name] for name in sections}
    path.write_text(yaml.safe_dump(parsed))

    def read() -> Any:
        return [params.load(path, name, model) for name, model in sections.items()]

    assert attack(path, read, parsed, lambda value: yaml.safe_dump(value, sort_keys=False)) > 20


def test_calibration_json(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    content = {"null_score_diff_threshold": -1.5, "slope": 0.5, "intercept": 0.1, "questions": 3}
    path.write_text(json.dumps(content))
    assert attack(path, lambda: Calibration.read(path), content) > 20


@pytest.mark.parametrize("name", sorted(FILES.values()))
def test_answers(tmp_path: Path, name: str) -> None:
    values: dict[str, Any] = {
        "predictions.json": {"q": "a"},
        "best_spans.json": {"q": "a"},
        "null_odds.json": {"q": 0.5, "r": None},
        "na_prob.json": {"q": 0.5},
        "num_features.json": {"q": 1},
        "thresholds.json": {"applied": 0.0, "calibrated": None},
        "limits.json": {"max_answer_length": 30, "answers_longer": 0},
    }
    for file, content in values.items():
        (tmp_path / file).write_text(json.dumps(content))
    assert attack(tmp_path / name, lambda: Answers.read(tmp_path), values[name]) > 20


def test_answering_json(tmp_path: Path) -> None:
    sections = yaml.safe_load((ROOT / "params.yaml").read_text())
    content = {name: sections[name] for name in answering.SECTIONS}
    content["calibration"] = {"null_score_diff_threshold": None, "slope": 1.0, "intercept": 0.0}
    path = tmp_path / "answering.json"
    path.write_text(json.dumps(content))
    assert attack(path, lambda: answering.of_release(path), content) > 20


def test_model_config(tmp_path: Path) -> None:
    content = {"model_type": "bert", "hidden_size": 32, "max_position_embeddings": 128, "pad_token_id": 0}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**content, "text_config": {"auto_map": {}}, "id2label": {"0": "a"}}))

    def read() -> Any:
        model_folder.read_config(path, "fix it")
        return model_positions(path)

    assert attack(path, read, json.loads(path.read_text())) > 20


def test_manifest_of_features(folder: Path) -> None:
    path = folder / "features/manifest.json"
    assert attack(path, lambda: features.read(features.manifest(path.parent)), json.loads(path.read_text())) > 20


def test_manifest_of_a_model(tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    model_folder.write_manifest(tmp_path)
    path = tmp_path / "manifest.json"
    assert attack(path, lambda: model_folder.check_manifest(tmp_path), json.loads(path.read_text())) > 20


def test_shard(folder: Path) -> None:
    path = folder / "features/00000.parquet"
    assert attack(path, lambda: features.read(features.manifest(path.parent))) > 20


def test_split(tmp_path: Path) -> None:
    from spanline.synthetic.corpus import examples

    path = tmp_path / "squad.parquet"
    splits.write(path, list(examples("train", 1, 20)))

    def read() -> Any:
        splits.read_gold(path), splits.read_contexts(path), splits.read_group(path, 0)
        return list(splits.read(path))

    assert attack(path, read) > 20


def test_lines_of_ask(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    content = {"question": "Who?", "context": "Ann.", "id": "a"}
    path.write_text(json.dumps(content))

    def read() -> Any:
        with path.open("rb") as lines:
            return list(Lines("stdin", None, skips=False).pairs(lines))

    assert attack(path, read, content) > 20


def test_dvc_lock(tmp_path: Path) -> None:
    content = {"schema": "2.0", "stages": {"b": {"cmd": "cp", "outs": [{"path": "b", "md5": "a" * 32}]}}}
    path = tmp_path / "dvc.lock"
    path.write_text(yaml.safe_dump(content))

    def read() -> Any:
        return dvc_lock.is_whole(path.read_bytes().decode(errors="replace"))

    assert attack(path, read, content, yaml.safe_dump) > 20


@pytest.mark.parametrize(
    "text",
    [
        "[" * 2000,
        "1" * 5000,
        '{"a": NaN}',
        "-Infinity",
        "1e999",
        '{"a": 1, "a": 2}',
        '{"a": {"b": 1, "b": 1}}',
    ],
)
def test_what_the_search_found_stays_found(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


def test_logits_that_are_not_finite_are_named(folder: Path) -> None:
    for bad in (math.nan, math.inf, -math.inf):
        for name in ("start_logits", "end_logits"):
            columns = {"start_logits": [[0.0, 1.0], [2.0]], "end_logits": [[0.0, 1.0], [2.0]]}
            columns[name] = [[0.0, 1.0], [bad]]
            given = pa.table({"id": ["q", "r"], "window": [0, 3], **columns}, schema=logits.SCHEMA)
            with pytest.raises(SpanlineError, match=r"logits, question r, feature 3: its logits are not finite"):
                logits.checked(given, Path("logits"))
    with pytest.raises(SpanlineError, match=r"its columns are not id, window, start_logits, end_logits"):
        logits.checked(pa.table({"id": ["q"]}), Path("logits"))

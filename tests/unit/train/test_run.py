"""What the train stage refuses to train on, in one line that names the question."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spanline.common.errors import SpanlineError
from spanline.storage import features
from spanline.train.run import read_features
from tests.make.features import VOCABULARY, make_features, write_features


@pytest.mark.parametrize(
    ("column", "value"),
    [("start_position", 1), ("end_position", 1), ("end_position", 30), ("start_position", 29), ("end_position", 0)],
)
def test_a_label_outside_its_context_is_refused(column: str, value: int, tmp_path: Path) -> None:
    data = make_features([20, 20, 20], seed=3)
    row = int(np.flatnonzero(data.start_position > 0)[0])
    getattr(data, column)[row] = value
    (tmp_path / "tokenizer.json").write_text("{}")
    write_features(data, tmp_path / "features", tmp_path / "tokenizer.json")
    with pytest.raises(SpanlineError, match=f"question q{row}, feature 0: has a label outside its context; make"):
        read_features(features.manifest(tmp_path / "features"), VOCABULARY)


def test_a_token_beyond_the_vocabulary_is_refused(tmp_path: Path) -> None:
    data = make_features([20, 20, 20])
    data.input_ids[1][7] = VOCABULARY
    (tmp_path / "tokenizer.json").write_text("{}")
    write_features(data, tmp_path / "features", tmp_path / "tokenizer.json")
    with pytest.raises(SpanlineError, match="question q1, feature 0: has a token beyond the model's vocabulary of 64"):
        read_features(features.manifest(tmp_path / "features"), VOCABULARY)


def test_no_features_are_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    write_features(make_features([]), tmp_path / "features", tmp_path / "tokenizer.json")
    with pytest.raises(SpanlineError, match="holds no features"):
        read_features(features.manifest(tmp_path / "features"), VOCABULARY)

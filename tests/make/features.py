"""Random features, and a folder of them: what the tests of training and prediction start from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from spanline.common import files
from spanline.storage import features, shards
from spanline.storage.features import Features
from spanline.storage.ragged import Ragged, bounds_of

PAD, CLS, SEP = 0, 1, 2  # of the tiny tokenizer
VOCABULARY = 64


def make_features(lengths: list[int], seed: int = 0) -> Features:
    """Random features, [CLS] question [SEP] context [SEP], a third of them without an answer; ids q0, q1, ..."""
    generator = np.random.default_rng(seed)
    length = np.array(lengths, dtype=np.int64)
    context_start = generator.integers(3, 6, len(length))  # one to three tokens of question
    context = length - context_start - 1
    tokens = [_tokens(generator, total, start) for total, start in zip(length, context_start, strict=True)]
    types = [np.arange(total) >= start for total, start in zip(length, context_start, strict=True)]
    offsets = [np.arange(count) * 5 for count in context]
    start = context_start + (generator.random(len(length)) * context).astype(int)
    end = np.minimum(start + generator.integers(0, 3, len(length)), length - 2)
    is_null = generator.random(len(length)) < 1 / 3
    return Features(
        ids=pa.array([f"q{row}" for row in range(len(length))], pa.string()),
        window=np.zeros(len(length), np.uint16),
        input_ids=_ragged(tokens, np.uint16),
        token_type_ids=_ragged(types, np.uint8),
        context_start=context_start.astype(np.uint16),
        offset_starts=_ragged(offsets, np.int32),
        offset_ends=_ragged([part + 4 for part in offsets], np.int32),
        max_context=_ragged([part >= 0 for part in offsets], np.bool_),
        null_position=np.zeros(len(length), np.uint16),
        start_position=np.where(is_null, 0, start).astype(np.uint16),
        end_position=np.where(is_null, 0, end).astype(np.uint16),
    )


def _tokens(generator: np.random.Generator, total: int, context_start: int) -> np.ndarray:
    tokens = generator.integers(3, VOCABULARY, total)
    tokens[[0, context_start - 1, total - 1]] = CLS, SEP, SEP
    return tokens


def _ragged(rows: list[np.ndarray], kind: type) -> Ragged:
    values = np.concatenate(rows) if rows else np.zeros(0)
    return Ragged(values.astype(kind), bounds_of(np.array([len(row) for row in rows], dtype=np.int64)))


def write_features(
    data: Features, folder: Path, tokenizer: Path, rows_per_shard: int = 5, max_length: int = 32
) -> None:
    """A folder of shards as the featurize stage leaves it."""
    with files.new_folder(folder, ["*"]) as out:
        writer = shards.ShardWriter(out, features.KIND, rows_per_shard)
        writer.write(features.to_table(data, VOCABULARY))
        made_from = {"squad": "0" * 64, "tokenizer": files.sha256(tokenizer)}
        writer.finish(made_from, {"max_length": max_length, "rows_per_shard": rows_per_shard}, {})

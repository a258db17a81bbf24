"""Features as the tokenizer itself cuts them, pair by pair: the definition that `windows.cut` is held to.

Several times slower. Used (1) for tokenizers that do not encode a pair as the concatenation of its two encodings, and
(2) to detect such tokenizers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from tokenizers import Encoding

from spanline.dataset.records import Example
from spanline.featurize.tokenizer import PairTokenizer
from spanline.storage.features import Features
from spanline.storage.ragged import Array, Ragged, bounds_of


def cut_by_tokenizer(
    examples: Sequence[Example], tokenizer: PairTokenizer, max_length: int, doc_stride: int, max_question_length: int
) -> Features:
    """The features of the examples, in order, by the tokenizer's own truncation of the second text."""
    rows: list[dict[str, Any]] = []
    for example in examples:
        question = tokenizer.cut_question(example.question, max_question_length)
        encodings = tokenizer.windows(question, example.context, max_length, doc_stride)
        rows += _rows_of_example(example, encodings, tokenizer, doc_stride)
    return _from_rows(rows)


def _rows_of_example(
    example: Example, encodings: Sequence[Encoding], tokenizer: PairTokenizer, doc_stride: int
) -> list[dict[str, Any]]:
    """The features of one example as rows of columns."""
    shown = [[pair for pair, text in zip(e.offsets, e.sequence_ids, strict=True) if text == 1] for e in encodings]
    starts = [number * (len(shown[0]) - doc_stride) for number in range(len(shown))]
    offsets: list[tuple[int, int]] = []  # of all context tokens: of each window what no window before it shows
    for start, pairs in zip(starts, shown, strict=True):
        offsets += pairs[len(offsets) - start :]
    offsets = tokenizer.offsets(example.context, offsets)
    slices = [(start, start + len(pairs)) for start, pairs in zip(starts, shown, strict=True)]
    gold = covered_answer(offsets, example)
    max_context = _max_context(slices)
    num_after = len(tokenizer.template.after)
    return [
        {"id": example.id, "window": number, "max_context": flags, **_row(e, offsets[slice(*part)], gold, num_after)}
        for number, (e, part, flags) in enumerate(zip(encodings, slices, max_context, strict=True))
    ]


def covered_answer(offsets: Sequence[tuple[int, int]], example: Example) -> tuple[int, int] | None:
    """The characters of the first gold answer from the first to the last that belongs to a token; None without any."""
    if not example.answers or not example.answers[0].text.strip():
        return None
    gold = example.answers[0]
    start = gold.start + len(gold.text) - len(gold.text.lstrip())
    end = start + len(gold.text.strip())
    touching = [(first, last) for first, last in offsets if first < end and last > start]
    if not touching:
        return None
    return max(start, min(first for first, _ in touching)), min(end, max(last for _, last in touching))


def _row(
    encoding: Encoding, offsets: Sequence[tuple[int, int]], gold: tuple[int, int] | None, num_after: int
) -> dict[str, Any]:
    """The columns of one feature, but for `max_context`. `num_after` special tokens follow the context."""
    context = [i for i, sequence in enumerate(encoding.sequence_ids) if sequence == 1]
    null = null_position(encoding)
    start_of_context = context[0] if context else len(encoding.ids) - num_after
    start, end = label(offsets, gold, start_of_context, null)
    return {
        "input_ids": encoding.ids,
        "token_type_ids": encoding.type_ids,
        "context_start": start_of_context,
        "offset_starts": [offset[0] for offset in offsets],
        "offset_ends": [offset[1] for offset in offsets],
        "null_position": null,
        "start_position": start,
        "end_position": end,
    }


def null_position(encoding: Encoding) -> int:
    """The special token that occurs once, else the first: as in `tokenizer.Template`."""
    special = [i for i, sequence in enumerate(encoding.sequence_ids) if sequence is None]
    counts = Counter(encoding.ids[i] for i in special)
    return next((i for i in special if counts[encoding.ids[i]] == 1), special[0])


def label(
    offsets: Sequence[tuple[int, int]], gold: tuple[int, int] | None, context_start: int, null: int
) -> tuple[int, int]:
    """The strided labelling among the context tokens of one feature; see `windows._label`."""
    if gold is None or not offsets or offsets[0][0] > gold[0] or offsets[-1][1] < gold[1]:
        return null, null
    first = max(i for i, offset in enumerate(offsets) if offset[0] <= gold[0])
    last = max(i for i, offset in enumerate(offsets) if offset[0] < gold[1])
    return context_start + first, context_start + last


def _max_context(slices: Sequence[tuple[int, int]]) -> list[list[bool]]:
    """The column of each slice (start, end), by its definition: whether it is the slice that shows the token with most
    context around it, the earlier one of equals."""
    winner: dict[int, tuple[int, int]] = {}  # token -> the most context around it so far, and in which slice
    for number, (start, end) in enumerate(slices):
        for token in range(start, end):
            around = min(token - start, end - 1 - token)
            if token not in winner or around > winner[token][0]:
                winner[token] = around, number
    return [[winner[token][1] == number for token in range(start, end)] for number, (start, end) in enumerate(slices)]


def _from_rows(rows: list[dict[str, Any]]) -> Features:
    """Rows of lists as Features."""

    def ragged(name: str, dtype: Any) -> Ragged:
        bounds = bounds_of(np.array([len(row[name]) for row in rows], np.int64))
        values = [value for row in rows for value in row[name]]
        return Ragged(np.array(values, dtype), bounds)

    def column(name: str) -> Array:
        return np.array([row[name] for row in rows], np.uint16)

    return Features(
        ids=pa.array([row["id"] for row in rows], pa.string()),
        window=column("window"),
        input_ids=ragged("input_ids", np.uint32),
        token_type_ids=ragged("token_type_ids", np.uint8),
        context_start=column("context_start"),
        offset_starts=ragged("offset_starts", np.int32),
        offset_ends=ragged("offset_ends", np.int32),
        max_context=ragged("max_context", np.bool_),
        null_position=column("null_position"),
        start_position=column("start_position"),
        end_position=column("end_position"),
    )

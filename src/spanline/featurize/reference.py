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
    num_after = len(tokenizer.template.after)
    for example in examples:
        question = tokenizer.cut_question(example.question, max_question_length)
        encodings = tokenizer.windows(question, example.context, max_length, doc_stride)
        rows += [
            {"id": example.id, "window": number, **_row(e, example, num_after)} for number, e in enumerate(encodings)
        ]
        _mark_max_context(rows[-len(encodings) :], doc_stride)
    return _from_rows(rows)


def _row(encoding: Encoding, example: Example, num_after: int) -> dict[str, Any]:
    """The columns of one feature, but for `max_context`. `num_after` special tokens follow the context."""
    context = [i for i, sequence in enumerate(encoding.sequence_ids) if sequence == 1]
    offsets = [encoding.offsets[i] for i in context]
    null = null_position(encoding)
    start_of_context = context[0] if context else len(encoding.ids) - num_after
    start, end = label(offsets, example, start_of_context, null)
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


def label(offsets: list[tuple[int, int]], example: Example, context_start: int, null: int) -> tuple[int, int]:
    """The usual strided labelling, looked for among the context tokens alone; see `windows._label`."""
    if not example.answers or not offsets:
        return null, null
    gold = example.answers[0]
    if offsets[0][0] > gold.start or offsets[-1][1] < gold.start + len(gold.text):
        return null, null
    first = max(i for i, offset in enumerate(offsets) if offset[0] <= gold.start)
    last = min(i for i, offset in enumerate(offsets) if offset[1] >= gold.start + len(gold.text))
    return context_start + min(first, last), context_start + max(first, last)


def _mark_max_context(rows: list[dict[str, Any]], doc_stride: int) -> None:
    """Add `max_context` to the features of one example, by its definition: (start, end) are their slices' tokens."""
    lengths = [len(row["offset_starts"]) for row in rows]
    starts = [number * (lengths[0] - doc_stride) for number in range(len(rows))]
    slices = [(start, start + length) for start, length in zip(starts, lengths, strict=True)]
    for number, row in enumerate(rows):
        row["max_context"] = [_winner(slices, token) == number for token in range(*slices[number])]


def _winner(slices: list[tuple[int, int]], token: int) -> int:
    """The slice that shows the token with most context around it, the earlier one of equals."""
    around = [min(token - start, end - 1 - token) for start, end in slices]
    return around.index(max(around))


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

"""The steps from a text to an answer, entities or classes, one public function each; docs/STEPS.md walks through them.

    tokens -> logits -> masked_logits -> probabilities -> score_matrix -> best_span -> characters      (span)
    tokens -> logits                  -> probabilities -> entities.group                               (token labels)
    tokens -> logits                  -> probabilities -> ranked_labels                                (classes)

They are the definitions, for one feature at a time and in plain matrices. `ask` computes the same for many features by
`spans` and `ranking`; the tests compare the two.

Legend: T tokens, L labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from spanline.featurize.tokenizer import PairTokenizer
from spanline.storage.ragged import Array

if TYPE_CHECKING:
    from spanline.model.span_model import SpanModel

Activation = Literal["softmax", "sigmoid", "none"]


@dataclass(frozen=True)
class Tokens:
    """A text, or a question and a context, as a model reads them."""

    pieces: list[str]  # (T,) as the vocabulary writes them
    ids: list[int]  # (T,)
    types: list[int]  # (T,) token type ids
    sequences: list[int | None]  # (T,) which text it belongs to, from 0; None for special tokens
    offsets: list[tuple[int, int]]  # (T,) characters of its text, end exclusive; (0, 0) for special tokens
    words: list[int | None]  # (T,) number of its word within its text; None for special tokens

    def __len__(self) -> int:
        return len(self.ids)


def tokens(tokenizer: PairTokenizer, text: str, second: str | None = None) -> Tokens:
    """The tokens of a text, or of a pair of texts, with their special tokens; nothing is cut or padded."""
    encoding = tokenizer.tokenizer.encode(text, second)
    offsets = list(encoding.offsets)
    for number, part in enumerate((text,) if second is None else (text, second)):
        rows = [row for row, sequence in enumerate(encoding.sequence_ids) if sequence == number]
        for row, pair in zip(rows, tokenizer.offsets(part, [offsets[row] for row in rows]), strict=True):
            offsets[row] = pair
    return Tokens(encoding.tokens, encoding.ids, encoding.type_ids, encoding.sequence_ids, offsets, encoding.word_ids)


def span_logits(spans: SpanModel, given: Tokens) -> tuple[Array, Array]:
    """Start and end logits, (T,) float32 each, of every token."""
    import torch

    from spanline.model.batches import Batch

    ids_BT, types_BT = (torch.tensor([row]) for row in (given.ids, given.types))
    label_B, allowed_BT = torch.zeros(1, dtype=torch.int64), torch.ones(ids_BT.shape, dtype=torch.bool)  # not read
    with torch.inference_mode():
        start_BT, end_BT = spans.eval()(Batch(ids_BT, types_BT, None, allowed_BT, label_B, label_B, label_B))
    return start_BT[0].numpy(), end_BT[0].numpy()


def label_logits(model: Any, given: Tokens) -> Array:
    """The logits of one of transformers' classifiers: (T, L) for token labels, (L,) for classes, float32."""
    import torch

    with torch.inference_mode():
        output = model.eval()(input_ids=torch.tensor([given.ids]), token_type_ids=torch.tensor([given.types]))
    logits: Array = output.logits[0].float().numpy()
    return logits


def allowed(given: Tokens, null_position: int) -> Array:
    """(T,) bool: where an answer may start or end, the tokens of the second text and the null position."""
    may = np.array([sequence == 1 for sequence in given.sequences])
    may[null_position] = True
    return may


def masked_logits(logits_T: Array, allowed_T: Array) -> Array:
    """(T,) float64: the logits, -inf where `allowed_T` is False, so that a softmax gives these positions nothing."""
    return np.where(allowed_T, logits_T.astype(np.float64), -np.inf)


def probabilities(logits: Array, activation: Activation = "softmax") -> Array:
    """Float64, of the same shape: softmax over the last axis, or each logit's own sigmoid, or the logits as they are.

    Shifted by the largest logit, so that nothing overflows; at least one logit of each row is finite.
    """
    values = logits.astype(np.float64)
    if activation == "none":
        return values
    if activation == "sigmoid":
        return np.asarray(np.exp(-np.logaddexp(0.0, -values)))
    exponentials = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def score_matrix(start_T: Array, end_T: Array, max_answer_length: int) -> Array:
    """(T, T): at (s, e) P(start at s) x P(end at e) for spans of 1 to `max_answer_length` tokens, else 0.

    The null position is not left out: give it probability 0 to find the best span.
    """
    product = np.outer(start_T, end_T)
    return np.asarray(np.tril(np.triu(product), max_answer_length - 1))


def best_span(matrix: Array) -> tuple[int, int, float]:
    """First token, last token (inclusive) and score of the best span; of equal ones the earlier start, then end."""
    start, end = np.unravel_index(int(matrix.argmax()), matrix.shape)
    return int(start), int(end), float(matrix[start, end])


def characters(given: Tokens, start: int, end: int) -> tuple[int, int]:
    """The characters of its text, end exclusive, that the tokens `start` to `end` (inclusive) cover."""
    return given.offsets[start][0], given.offsets[end][1]


def activation_of(config: Any) -> Activation:
    """How a classifier's logits become scores, by its config: regressions none, several independent labels (or a single
    one) a sigmoid each, labels of which one is right a softmax."""
    if config.problem_type == "regression":
        return "none"
    return "sigmoid" if config.problem_type == "multi_label_classification" or config.num_labels == 1 else "softmax"


def ranked_labels(scores_L: Array, labels: Sequence[str]) -> list[tuple[str, float]]:
    """The labels with their scores, best first; of equal ones the earlier."""
    order = np.argsort(-scores_L, kind="stable")
    return [(labels[label], float(scores_L[label])) for label in order]

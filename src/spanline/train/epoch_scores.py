"""How a model in training does on features that it is not trained on: cheap, feature by feature, no answer search.

Legend: N features, B features of a batch, T tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor

from spanline.model import batches
from spanline.model.batches import Batch
from spanline.model.device import arithmetic
from spanline.model.distributed import Group
from spanline.model.precision import Precision
from spanline.model.span_model import SpanModel, span_loss
from spanline.storage.features import Features

NAMES = ("loss", "start_accuracy", "end_accuracy", "token_f1")


def evaluate(
    model: SpanModel, data: Features, tokens_per_batch: int, precision: Precision, device: torch.device, group: Group
) -> dict[str, float]:
    """Means over the features (N > 0): the loss that training minimises, how often the best start and the best end are
    the labels, and the overlap in tokens of the best span with the labelled one. The model is put back to training."""
    totals = torch.zeros(len(NAMES), dtype=torch.float64)  # in host memory: not every device has float64
    model.eval()
    with torch.inference_mode():
        for rows in batches.within_token_limit(data.lengths, tokens_per_batch)[group.rank :: group.size]:
            batch = batches.collate(data, rows, model.pad_token_id).to(device)
            with arithmetic(device, precision):
                start_BT, end_BT = model(batch)
            totals += torch.stack([part.cpu().double().sum() for part in _measures(start_BT, end_BT, batch)])
    model.train()
    totals = totals.to(device) if group.size > 1 else totals  # where processes can add them up
    group.sum(totals)
    return dict(zip(NAMES, (totals / len(data)).tolist(), strict=True))


def _measures(start_BT: Tensor, end_BT: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    start_BT, end_BT = (part.masked_fill(~batch.allowed_BT, -torch.inf) for part in (start_BT, end_BT))
    predicted = best_spans(start_BT, end_BT, batch.null_B)
    return (
        span_loss(start_BT, end_BT, batch),
        start_BT.argmax(1) == batch.start_B,
        end_BT.argmax(1) == batch.end_B,
        token_f1(*predicted, batch.start_B, batch.end_B),
    )


def best_spans(start_BT: Tensor, end_BT: Tensor, null_B: Tensor) -> tuple[Tensor, Tensor]:
    """(B,) start and end of the best span, of any length, or the null position twice where its score is higher.

    Logits outside the allowed positions are -inf. Of equal scores the null answer wins, then the earlier end.
    """
    null_B1 = null_B[:, None]
    null_score_B = (start_BT.gather(1, null_B1) + end_BT.gather(1, null_B1))[:, 0]
    start_BT, end_BT = (part.scatter(1, null_B1, -torch.inf) for part in (start_BT, end_BT))
    best_start_BT, at_BT = start_BT.cummax(1)  # the best start up to each end
    score_B, end_B = (best_start_BT + end_BT).max(1)
    is_null_B = null_score_B >= score_B
    start_B = at_BT.gather(1, end_B[:, None])[:, 0]
    return torch.where(is_null_B, null_B, start_B), torch.where(is_null_B, null_B, end_B)


def token_f1(start_B: Tensor, end_B: Tensor, gold_start_B: Tensor, gold_end_B: Tensor) -> Tensor:
    """(B,) F1 of the tokens of two spans, ends inclusive. The null answer is a span as any other, of the null token."""
    same_B = (torch.minimum(end_B, gold_end_B) - torch.maximum(start_B, gold_start_B) + 1).clamp(min=0)
    return 2 * same_B / ((end_B - start_B + 1) + (gold_end_B - gold_start_B + 1))

"""Predictions with a known effect: gold answers, some of which are spoilt by a draw from a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence

from spanline.dataset.records import Example


def perturbed(examples: Sequence[Example], wrong: float, seed: int, article_sd: float = 0.0) -> dict[str, str]:
    """The gold answers but for a share `wrong` of the questions, which has the sd `article_sd` between articles."""
    generator = random.Random(seed)
    shares = {title: wrong + generator.gauss(0, article_sd) for title in dict.fromkeys(e.title for e in examples)}
    return {e.id: _spoilt(e) if generator.random() < shares[e.title] else gold(e) for e in examples}


def mended(examples: Sequence[Example], predictions: dict[str, str], points: float, seed: int) -> dict[str, str]:
    """The same predictions with so many percent of all questions more right (below 0: less), drawn from a seed."""
    generator = random.Random(seed)
    right = {e.id: predictions[e.id] == gold(e) for e in examples}
    able = [e for e in examples if right[e.id] != (points > 0)]
    chosen = generator.sample(able, round(abs(points) / 100 * len(examples)))
    return predictions | {e.id: gold(e) if points > 0 else _spoilt(e) for e in chosen}


def gold(example: Example) -> str:
    return example.answers[0].text if example.answers else ""


def _spoilt(example: Example) -> str:
    """Wrong by exact, and by f1: a word that no gold answer has."""
    return "" if example.answers else "unasked"

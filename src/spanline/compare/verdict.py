"""One plain sentence: what a comparison shows, and what it does not."""

from __future__ import annotations

from spanline.compare.changes import is_seed_alone
from spanline.compare.difference import Comparison, Difference
from spanline.statistics.clusters import MIN_CLUSTERS


def verdict(found: Comparison) -> str:
    """The sentence, and on a second line what is in the intervals."""
    chosen, metric = found.of_metric, found.metric
    if found.outcome == "same":
        return f"The same: all {chosen.questions:,} questions score alike in A and B; the difference is exactly 0."
    sentence = {"better": _shown, "worse": _shown, "not shown": _not_shown, "too few articles": _too_few}[found.outcome]
    return f"{sentence(chosen, metric)}\n{_runs(found)}"


def _shown(found: Difference, metric: str) -> str:
    word = "better" if found.difference > 0 else "worse"
    low, high = sorted(abs(end) for end in found.on_new or (0.0, 0.0))
    return f"B is {word} than A, by {abs(found.difference):.2f} {metric} ({low:.2f} to {high:.2f} on new articles)."


def _not_shown(found: Difference, metric: str) -> str:
    least = f"these {found.articles:,} articles can show {found.least_detectable or 0.0:.1f} {metric} or more"
    if _leaves_out_0(found.on_these):
        word = "better" if found.difference > 0 else "worse"
        here = f"B is {word} on these questions and articles, by {abs(found.difference):.2f} {metric}"
        return f"{here}; whether it is on new articles is not shown: {least}."
    return f"No difference is shown: {abs(found.difference):.2f} {metric} may be chance; {least}."


def _too_few(found: Difference, metric: str) -> str:
    few = f"{found.articles:,} articles are too few to speak of new ones (at least {MIN_CLUSTERS})"
    if _leaves_out_0(found.on_these):
        word = "better" if found.difference > 0 else "worse"
        return f"B is {word} on these questions and articles, by {abs(found.difference):.2f} {metric}; {few}."
    return f"No difference is shown on these questions and articles; {few}."


def _leaves_out_0(interval: tuple[float, float]) -> bool:
    return not interval[0] <= 0.0 <= interval[1]


def _runs(found: Comparison) -> str:
    if max(found.runs) > 1:
        return f"The runs' own variance ({found.runs[0]} against {found.runs[1]}) is in the intervals."
    if found.changes is not None and is_seed_alone(found.changes):
        return (
            "Only the seed differs: that is the luck of a draw, no better way to train. Sets of seeds can tell of ways."
        )
    return "It is about these two models: what another seed would change is not in the intervals."

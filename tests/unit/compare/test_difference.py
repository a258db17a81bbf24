"""A comparison's numbers are those of the statistics, known effects get the right verdict, a run equals itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from spanline.compare import difference, run
from spanline.compare.difference import Chance, Comparison
from spanline.compare.runs import Run, Side
from spanline.compare.verdict import verdict
from spanline.dataset.records import Example
from spanline.download import formats
from spanline.statistics.clusters import add_up, numbered
from spanline.statistics.estimates import estimates
from spanline.synthetic.corpus import examples as corpus
from tests.make.perturbed import mended, perturbed
from tests.paths import SHARED

CHANCE = Chance(resamples=499, seed=17)
DEV = SHARED / "squad_v2/dev-v2.0.json"
EMBEDDED = [example for _, example in zip(range(1200), corpus("validation", 17, 1200), strict=False)]


@pytest.fixture(scope="module", params=["embedded", "dev"])
def questions(request: pytest.FixtureRequest) -> list[Example]:
    if request.param == "embedded":
        return EMBEDDED
    if not DEV.is_file():
        pytest.skip("needs squad_v2 in the folder that SPANLINE_SHARED names")
    return list(formats.read_official(DEV, "dev"))


def side(*predictions: dict[str, str]) -> Side:
    return Side("name", [Run(f"run {n}", texts, None, None) for n, texts in enumerate(predictions)])


def compared(examples: Sequence[Example], a: Side, b: Side) -> Comparison:
    return run.of_sides(examples, [a, b], "f1", CHANCE)


@pytest.mark.parametrize(
    ("points", "expected"), [(4.0, "better"), (-4.0, "worse"), (2.0, "better"), (-2.0, "worse"), (0.05, "not shown")]
)
def test_a_known_effect_gets_the_right_verdict(questions: list[Example], points: float, expected: str) -> None:
    """So many percent of the questions are more right (or less): by exactly so much B differs, and it is seen.

    One of 2,000 questions is too few to be shown.
    """
    a = perturbed(questions, 0.25, 1, article_sd=0.05)
    found = compared(questions, side(a), side(mended(questions, a, points, 2)))
    assert found.exact.difference == pytest.approx(points, abs=100 / len(questions))
    assert found.outcome == expected
    flipped = (found.flips.only_a, found.flips.only_b)
    assert max(flipped) == round(abs(points) / 100 * len(questions))
    assert min(flipped) == 0
    assert found.f1.on_new[0] <= found.f1.difference <= found.f1.on_new[1]


def test_two_systems_of_one_quality_do_not_differ(questions: list[Example]) -> None:
    """Other questions and articles are wrong in each, as many in the mean."""
    a, b = (perturbed(questions, 0.25, seed, article_sd=0.05) for seed in (1, 9))
    assert compared(questions, side(a), side(b)).outcome == "not shown"


def test_a_run_against_itself_differs_by_exactly_0(questions: list[Example]) -> None:
    a = perturbed(questions, 0.25, 1, article_sd=0.05)
    found = compared(questions, side(a), side(dict(a)))
    assert found.outcome == "same"
    for part in (found.exact, found.f1, *(row.of_metric for row in found.slices)):
        assert part.difference == 0.0
        assert part.on_these == (0.0, 0.0)
        assert part.p in (None, 1.0)
    assert (found.flips.only_a, found.flips.only_b, found.flips.same_answer) == (0, 0, len(questions))
    assert verdict(found).startswith("The same: ")


def test_a_and_b_changed_over_turn_every_sign() -> None:
    a, b = (perturbed(EMBEDDED, share, share_seed, 0.05) for share, share_seed in ((0.25, 1), (0.2, 2)))
    there, back = compared(EMBEDDED, side(a), side(b)), compared(EMBEDDED, side(b), side(a))
    assert there.f1.difference == -back.f1.difference
    assert there.f1.on_new == pytest.approx([-end for end in back.f1.on_new[::-1]])
    assert there.f1.p == back.f1.p


def test_the_numbers_are_those_of_the_statistics() -> None:
    a, b = (perturbed(EMBEDDED, 0.25, seed, 0.05) for seed in (1, 2))
    found = compared(EMBEDDED, side(a), side(b))
    scores_a, scores_b = (100 * run.scores_of(EMBEDDED, side(texts).runs)[0][:, 1] for texts in (a, b))
    (expected,) = estimates(add_up(numbered([e.title for e in EMBEDDED]), scores_b - scores_a), 499, 17)
    assert found.f1.on_new == pytest.approx(expected.interval, abs=1e-6)
    assert (found.f1.a, found.f1.b) == pytest.approx((scores_a.mean(), scores_b.mean()), abs=1e-6)
    assert found.f1.questions == len(EMBEDDED)
    row = next(row for row in found.slices if row.name == "answerable: yes")
    kept = np.array([e.is_answerable for e in EMBEDDED])
    assert row.of_metric.difference == pytest.approx((scores_b - scores_a)[kept].mean(), abs=1e-6)
    assert row.corrected_p >= row.of_metric.p


def test_few_articles_have_no_interval_and_no_verdict_on_new_ones() -> None:
    titles = list(dict.fromkeys(e.title for e in EMBEDDED))[:9]
    few = [e for e in EMBEDDED if e.title in titles]
    a = perturbed(few, 0.25, 1)
    found = compared(few, side(a), side(mended(few, a, 10.0, 2)))
    assert (found.outcome, found.f1.on_new, found.f1.p, found.f1.least_detectable) == ("too few articles", *[None] * 3)
    assert found.f1.on_these[0] > 0
    assert "9 articles are too few to speak of new ones (at least 10)" in verdict(found)


def test_sets_of_runs_have_the_variance_between_runs_in_their_interval() -> None:
    """Three runs a side, of which one is 3 points better: the interval must be wider than articles alone make it."""
    base = perturbed(EMBEDDED, 0.25, 1, 0.05)
    a = [mended(EMBEDDED, base, points, seed) for seed, points in enumerate((0.5, -2.0, 2.0))]
    b = [mended(EMBEDDED, base, points, 9 + seed) for seed, points in enumerate((1.0, 4.0, -1.0))]
    found = compared(EMBEDDED, side(*a), side(*b))
    means = [run.scores_of(EMBEDDED, side(*runs).runs) for runs in (a, b)]
    assert found.runs == (3, 3)
    assert found.flips is None
    assert found.f1.run_sd_a == pytest.approx(np.std([100 * m[:, 1].mean() for m in means[0]], ddof=1), abs=1e-6)
    lead = 100 * (np.mean(means[1], axis=0) - np.mean(means[0], axis=0))[:, 1]
    (alone,) = estimates(add_up(numbered([e.title for e in EMBEDDED]), lead), 499, 17)
    assert found.f1.difference == pytest.approx(alone.mean, abs=1e-6)
    assert found.f1.on_new[1] - found.f1.on_new[0] > 2 * alone.margin * 1.5
    assert "(3 against 3) is in the intervals" in verdict(found)


def test_a_set_of_equal_runs_against_itself_is_the_same() -> None:
    a = perturbed(EMBEDDED, 0.25, 1, 0.05)
    found = compared(EMBEDDED, side(a, a), side(a, a))
    assert (found.outcome, found.f1.difference) == ("same", 0.0)


def test_an_interval_that_leaves_out_0_is_not_enough_without_a_small_p() -> None:
    values = {"questions": 9, "articles": 12, "a": 0.0, "b": 1.0, "difference": 1.0, "on_these": (0.5, 1.5)}
    values |= {"on_new": (0.1, 1.9), "least_detectable": 1.2, "run_sd_a": None, "run_sd_b": None}
    assert difference.outcome(difference.Difference(**values, p=0.06)) == "not shown"
    assert difference.outcome(difference.Difference(**values, p=0.05)) == "better"

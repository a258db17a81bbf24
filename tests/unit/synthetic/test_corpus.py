"""The embedded corpus: exact spans, splits that share nothing, and questions that no cheap trick answers.

The baselines know the type of every value, as no model does; those that must fail stay under 45 EM.
"""

from __future__ import annotations

import string
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import combinations, islice, pairwise
from random import Random

import pytest

from spanline.synthetic.corpus import article_title, examples
from spanline.synthetic.names import INVENTORIES, Split
from spanline.synthetic.relations import DENIALS, OPENINGS, RELATIONS
from tests.make.typed import TypedExample, typed_examples

SPLITS: tuple[Split, ...] = ("train", "calibration", "validation")
SEED = 7
NUM_QUESTIONS = 3000
LONG_CONTEXT = 1550  # characters: more than 384 word pieces


@pytest.fixture(scope="module")
def corpus() -> dict[Split, list[TypedExample]]:
    return {split: list(typed_examples(split, SEED, NUM_QUESTIONS)) for split in SPLITS}


@pytest.fixture(scope="module")
def everything(corpus: dict[Split, list[TypedExample]]) -> list[TypedExample]:
    return [typed for split in SPLITS for typed in corpus[split]]


def contexts(typed_list: list[TypedExample]) -> list[str]:
    return list({id(typed.example.context): typed.example.context for typed in typed_list}.values())


# ---- records


def test_answers_are_exact_and_occur_once(everything: list[TypedExample]) -> None:
    for typed in everything:
        context = typed.example.context
        for answer in typed.example.answers:
            assert context[answer.start : answer.start + len(answer.text)] == answer.text
            assert context.count(answer.text) == 1, (answer, context)


def test_the_first_answer_is_a_candidate_of_the_right_type(everything: list[TypedExample]) -> None:
    for typed in everything:
        assert typed.candidates
        assert all(candidate in typed.example.context for candidate in typed.candidates)
        if typed.example.is_answerable:
            assert typed.example.answers[0].text in typed.candidates


def test_questions_name_their_subject_and_are_asked_once(everything: list[TypedExample]) -> None:
    assert all(typed.subject in typed.example.question for typed in everything)
    asked = Counter((typed.example.context, typed.example.question) for typed in everything)
    assert max(asked.values()) == 1


def test_no_placeholder_is_left(everything: list[TypedExample]) -> None:
    for typed in everything:
        assert not set("{}") & set(typed.example.context + typed.example.question)
        assert "None" not in typed.example.context + typed.example.question


def test_ids_are_unique_over_all_splits_and_titles_mark_articles(everything: list[TypedExample]) -> None:
    ids = [typed.example.id for typed in everything]
    assert len(set(ids)) == len(ids)
    assert ids[0] == "syn-train-000000-00-00"
    articles = {(typed.example.id.rsplit("-", 2)[0], typed.example.title) for typed in everything}
    assert len({number for number, _ in articles}) == len({title for _, title in articles}) == len(articles)


def test_the_questions_of_a_paragraph_are_adjacent_and_share_one_string(everything: list[TypedExample]) -> None:
    by_paragraph: dict[str, set[int]] = defaultdict(set)
    runs = 1
    for before, after in pairwise(everything):
        runs += before.example.id.rpartition("-")[0] != after.example.id.rpartition("-")[0]
    for typed in everything:
        by_paragraph[typed.example.id.rpartition("-")[0]].add(id(typed.example.context))
    assert runs == len(by_paragraph)
    assert all(len(objects) == 1 for objects in by_paragraph.values())


# ---- streams


def test_a_longer_run_begins_with_the_shorter_one() -> None:
    short, long = list(examples("train", SEED, 100)), list(examples("train", SEED, 500))
    assert 100 <= len(short) < 150
    assert long[: len(short)] == short


def test_the_same_seed_gives_the_same_examples_and_another_seed_others() -> None:
    first = list(examples("validation", SEED, 50))
    assert first == list(examples("validation", SEED, 50))
    assert first != list(examples("validation", SEED + 1, 50))


def test_it_streams() -> None:
    assert len(list(islice(examples("train", SEED, 10**12), 10))) == 10


def test_titles_do_not_run_out() -> None:
    numbers = [*range(40_000), *range(10**6, 10**6 + 20_000)]
    for split in SPLITS:
        assert len({article_title(split, SEED, number) for number in numbers}) == len(numbers)


# ---- splits


def parts(split: Split, *fields: str) -> set[str]:
    return {part for field in fields for part in getattr(INVENTORIES[split], field)}


@pytest.mark.parametrize(("one", "other"), list(combinations(SPLITS, 2)))
def test_splits_share_no_part_of_a_name(one: Split, other: Split) -> None:
    groups = (
        ("place_stems", "surname_stems"),
        ("place_endings",),
        ("surname_endings",),
        ("women", "men"),
        ("firms", "buildings", "contests"),
        ("work_adjectives",),
        ("work_nouns",),
        ("goods", "materials"),
    )
    for fields in groups:
        assert not parts(one, *fields) & parts(other, *fields)


def test_place_names_come_apart_in_one_way_only() -> None:
    stems = [stem for split in SPLITS for stem in INVENTORIES[split].place_stems]
    assert not [(a, b) for a in stems for b in stems if a is not b and b.startswith(a)]
    for split in SPLITS:
        rest = [*INVENTORIES[split].place_middles, *INVENTORIES[split].place_endings]
        assert not [(a, b) for a in rest for b in rest if a is not b and b.startswith(a)]


@pytest.mark.parametrize(("one", "other"), list(combinations(SPLITS, 2)))
def test_splits_share_no_title_subject_or_phrasing(
    corpus: dict[Split, list[TypedExample]], one: Split, other: Split
) -> None:
    assert not {t.example.title for t in corpus[one]} & {t.example.title for t in corpus[other]}
    assert not {t.subject for t in corpus[one]} & {t.subject for t in corpus[other]}
    for phrasings in [DENIALS, *OPENINGS.values()]:
        assert not set(phrasings[one]) & set(phrasings[other])
    for relation in RELATIONS:
        assert not set(relation.statements[one]) & set(relation.statements[other]), relation.name
        assert not set(relation.questions[one]) & set(relation.questions[other]), relation.name


def test_splits_share_no_answer_but_numbers(corpus: dict[Split, list[TypedExample]]) -> None:
    names = ("person", "place", "river", "goods", "material")
    answers = {
        split: {a.text for t in corpus[split] if t.answer_type in names for a in t.example.answers} for split in SPLITS
    }
    assert not any(answers[one] & answers[other] for one, other in combinations(SPLITS, 2))


# ---- relations


def test_there_are_many_relations_with_several_phrasings_each(everything: list[TypedExample]) -> None:
    assert len(RELATIONS) >= 25
    assert {relation.name for relation in RELATIONS} == {typed.relation for typed in everything}
    for relation in RELATIONS:
        for phrasings in (relation.statements, relation.questions):
            assert len(set(phrasings["train"])) >= 3
            assert all(len(set(phrasings[split])) >= 2 for split in SPLITS)


def test_phrasings_hold_the_placeholders_of_their_relation() -> None:
    for relation in RELATIONS:
        qualifier = ["q"] if relation.qualifier_type else []
        for split in SPLITS:
            assert all(
                text.startswith("{s} ") and fields(text) == sorted(["s", "a", *qualifier])
                for text in relation.statements[split]
            )
            assert all(
                text.endswith("?") and fields(text) == sorted(["s", *qualifier]) for text in relation.questions[split]
            )


def fields(template: str) -> list[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(template) if name)


# ---- difficulty


@pytest.mark.parametrize("split", SPLITS)
def test_shape_of_a_split(corpus: dict[Split, list[TypedExample]], split: Split) -> None:
    typed_list = corpus[split]
    share = Counter(typed.unanswerable_kind for typed in typed_list)
    assert 0.36 <= 1 - share[None] / len(typed_list) <= 0.44
    assert all(
        share[kind] / len(typed_list) >= 0.03
        for kind in ("entity_swapped", "never_stated", "negated", "premise_changed")
    )
    assert all(typed.example.is_answerable == (typed.unanswerable_kind is None) for typed in typed_list)
    lengths = sorted(len(context) for context in contexts(typed_list))
    assert 0.02 <= sum(length > LONG_CONTEXT for length in lengths) / len(lengths) <= 0.06
    assert lengths[len(lengths) // 2] < 350
    assert sum(len(typed.candidates) >= 2 for typed in typed_list) / len(typed_list) > 0.65


def test_texts_go_beyond_ascii(corpus: dict[Split, list[TypedExample]]) -> None:
    for split in SPLITS:
        text = "".join(contexts(corpus[split]))
        assert {"£", "\N{EN DASH}"} < set(text)
        assert any(character.isalpha() and not character.isascii() for character in text)


def test_outside_of_train_some_questions_have_several_answers(corpus: dict[Split, list[TypedExample]]) -> None:
    assert max(len(typed.example.answers) for typed in corpus["train"]) == 1
    for split in ("calibration", "validation"):
        assert 0.1 < sum(len(typed.example.answers) > 1 for typed in corpus[split]) / len(corpus[split]) < 0.5


# ---- baselines: each gets the context, the subject and all candidates of the right type

Baseline = Callable[[TypedExample, Random], str]


def always_null(typed: TypedExample, random: Random) -> str:
    return ""


def any_candidate(typed: TypedExample, random: Random) -> str:
    return random.choice(typed.candidates)


def any_candidate_or_null(typed: TypedExample, random: Random) -> str:
    return random.choice([*typed.candidates, ""])


def first_candidate(typed: TypedExample, random: Random) -> str:
    return min(typed.candidates, key=typed.example.context.index)


def only_candidate_else_null(typed: TypedExample, random: Random) -> str:
    return typed.candidates[0] if len(typed.candidates) == 1 else ""


def distance_to_subject(typed: TypedExample, candidate: str) -> int:
    context, place = typed.example.context.casefold(), typed.example.context.index(candidate)
    subject = typed.subject.casefold()
    mentions = [i for i in range(len(context)) if context.startswith(subject, i)]
    return min(abs(place - mention) for mention in mentions)


def nearest_candidate(typed: TypedExample, random: Random) -> str:
    return min(typed.candidates, key=lambda candidate: distance_to_subject(typed, candidate))


def candidate_after_subject(typed: TypedExample, random: Random) -> str:
    """The first candidate behind the subject's first mention; if there is none, null."""
    mention = typed.example.context.casefold().index(typed.subject.casefold())
    behind = {typed.example.context.find(candidate, mention): candidate for candidate in typed.candidates}
    behind.pop(-1, None)
    return behind[min(behind)] if behind else ""


def candidate_in_subjects_sentence_else_null(typed: TypedExample, random: Random) -> str:
    for sentence in typed.example.context.split(". "):
        if typed.subject.casefold() in sentence.casefold():
            found = [candidate for candidate in typed.candidates if candidate in sentence]
            if found:
                return random.choice(found)
    return ""


def candidate_in_likest_sentence(typed: TypedExample, random: Random) -> str:
    """Any candidate of the sentence that shares the most words with the question."""
    words = set(typed.example.question.rstrip("?").casefold().split())
    best = max(typed.example.context.split(". "), key=lambda sentence: len(words & set(sentence.casefold().split())))
    found = [candidate for candidate in typed.candidates if candidate in best]
    return random.choice(found) if found else ""


def exact_match(typed_list: list[TypedExample], baseline: Baseline) -> float:
    random = Random(SEED)
    right = sum(baseline(t, random) in ([a.text for a in t.example.answers] or [""]) for t in typed_list)
    return 100 * right / len(typed_list)


@pytest.mark.parametrize(
    ("baseline", "most"),
    [
        (always_null, 45),
        (any_candidate, 45),
        (any_candidate_or_null, 45),
        (first_candidate, 45),
        (only_candidate_else_null, 45),
        (nearest_candidate, 50),
        (candidate_after_subject, 60),
        (candidate_in_subjects_sentence_else_null, 65),
        (candidate_in_likest_sentence, 60),
    ],
)
def test_cheap_tricks_fail(corpus: dict[Split, list[TypedExample]], baseline: Baseline, most: float) -> None:
    assert exact_match(corpus["validation"], baseline) < most

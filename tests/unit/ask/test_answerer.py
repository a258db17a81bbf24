"""Answers to single questions, lists and long texts; the evaluated answers are what postprocess writes; bad input."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from spanline.ask import answerer, answering
from spanline.ask.answerer import BadInputError, BadModelError, QuestionAnswerer
from spanline.ask.settings import Settings
from spanline.common.errors import SpanlineError
from spanline.common.files import to_json
from spanline.dataset.records import Example
from spanline.dataset.splits import to_table
from spanline.featurize import encoding
from spanline.featurize.params import FeaturizeParams
from spanline.featurize.tokenizer import PairTokenizer
from spanline.model import batches, span_model
from spanline.no_answer.calibration import Calibration
from spanline.postprocess import run
from spanline.postprocess.nbest_json import entries
from spanline.predict import run as predict
from spanline.predict.params import PredictParams
from spanline.search.nbest import search_split
from spanline.search.params import AnswerSearchParams
from spanline.storage.features import Features
from spanline.walkthrough import steps
from tests.make.answering import EVALUATED, make_model, questions

PAIRS = questions(12)
QUESTIONS, CONTEXTS = ([pair[side] for pair in PAIRS] for side in (0, 1))
SHORT = {"max_seq_len": 64, "doc_stride": 16}  # several windows a context


@pytest.fixture(scope="module")
def folder(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tiny_encoder, tmp_path_factory.mktemp("answering") / "model")


@pytest.fixture(scope="module")
def qa(folder: Path) -> QuestionAnswerer:
    return answerer.load(folder, device="cpu", workers=1)


@pytest.fixture(scope="module")
def released(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> QuestionAnswerer:
    """The same model with its evaluated settings beside it."""
    copy = tmp_path_factory.mktemp("released") / "model"
    copy.mkdir()
    for file in folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / "answering.json").write_text(to_json(EVALUATED))
    return answerer.load(copy, device="cpu", workers=1)


def approx(found: Any) -> Any:
    """Answers equal, scores within rounding."""
    if isinstance(found, list):
        return [approx(part) for part in found]
    return {key: pytest.approx(value, abs=1e-5) if isinstance(value, float) else value for key, value in found.items()}


def by_steps(folder: Path, question: str, context: str, max_answer_length: int) -> dict[str, Any]:
    """The best answer of a context of one window, by the definitions, with transformers' encoder."""
    tokens = steps.tokens(PairTokenizer(folder / "tokenizer.json"), question, context)
    may = steps.allowed(tokens, 0)
    start, end = (
        steps.probabilities(steps.masked_logits(logits, may))
        for logits in steps.span_logits(span_model.load(folder), tokens)
    )
    start[0] = end[0] = 0
    first, last, score = steps.best_span(steps.score_matrix(start, end, max_answer_length))
    low, high = steps.characters(tokens, first, last)
    return {"score": score, "start": low, "end": high, "answer": context[low:high]}


def test_equals_the_steps(qa: QuestionAnswerer, folder: Path) -> None:
    for question, context in PAIRS[:4]:
        context = context[:150]
        found = qa(question=question, context=context, align_to_words=False, max_answer_len=4)
        assert found == approx(by_steps(folder, question, context, 4))
        assert context[found["start"] : found["end"]] == found["answer"]


def test_light_and_transformers_encoders_give_the_same_answers(qa: QuestionAnswerer, folder: Path) -> None:
    other = answerer.load(folder, device="cpu", workers=1, encoder="transformers")
    assert type(other._model.encoder).__name__ == "BertModel"
    assert other(question=QUESTIONS, context=CONTEXTS) == approx(qa(question=QUESTIONS, context=CONTEXTS))


@pytest.mark.parametrize("encoder", ["auto", "transformers"])
def test_bfloat16_is_near(encoder: Literal["auto", "transformers"], qa: QuestionAnswerer, folder: Path) -> None:
    other = answerer.load(folder, device="cpu", workers=1, precision="bfloat16", encoder=encoder)
    near, exact = ([a["score"] for a in each(question=QUESTIONS, context=CONTEXTS)] for each in (other, qa))
    assert near != exact
    np.testing.assert_allclose(near, exact, atol=0.02)


def test_another_precision_is_refused(folder: Path) -> None:
    with pytest.raises(SpanlineError, match=r"^precision: is 'float16'; give float32 or bfloat16$"):
        answerer.load(folder, precision="float16")  # type: ignore[arg-type]


def test_lists_give_what_each_pair_gives_alone(qa: QuestionAnswerer) -> None:
    together = qa(question=QUESTIONS, context=CONTEXTS, **SHORT)
    alone = [qa(question=question, context=context, **SHORT) for question, context in PAIRS]
    assert together == approx(alone)
    assert len({answer["answer"] for answer in alone}) > 6  # not one answer for all


def test_one_context_serves_several_questions(qa: QuestionAnswerer) -> None:
    found = qa(question=QUESTIONS[:3], context=CONTEXTS[0])
    assert found == approx([qa(question=question, context=CONTEXTS[0]) for question in QUESTIONS[:3]])
    assert qa(question=QUESTIONS[:1], context=CONTEXTS[0]) == [found[0]]
    assert qa(question=[], context=CONTEXTS[0]) == []


def test_top_k_is_a_list_best_first_that_begins_with_the_best(qa: QuestionAnswerer) -> None:
    found = qa(question=QUESTIONS[0], context=CONTEXTS[0], top_k=4)
    scores = [answer["score"] for answer in found]
    assert len(found) == 4
    assert scores == sorted(scores, reverse=True)
    assert len({answer["answer"].lower() for answer in found}) == 4


def test_fewer_answers_than_asked_for_where_the_text_has_no_more(qa: QuestionAnswerer) -> None:
    found = qa(question=QUESTIONS[0], context="river", top_k=50, max_answer_len=1, align_to_words=False)
    assert 0 < len(found) <= 5
    assert all("river"[answer["start"] : answer["end"]] == answer["answer"] for answer in found)


def test_the_null_answer_is_one_of_them_only_if_asked_for(qa: QuestionAnswerer) -> None:
    many = {"top_k": 2000, "max_answer_len": 3}
    found = qa(question=QUESTIONS[0], context=CONTEXTS[0], handle_impossible_answer=True, **many)
    null = [answer for answer in found if answer["answer"] == ""]
    assert [(answer["start"], answer["end"]) for answer in null] == [(0, 0)]
    assert all(answer["answer"] for answer in qa(question=QUESTIONS[0], context=CONTEXTS[0], **many))


def test_words_are_whole_unless_they_are_not_wanted(qa: QuestionAnswerer) -> None:
    cut, whole = (qa(question=QUESTIONS, context=CONTEXTS, align_to_words=align) for align in (False, True))

    def inside_a_word(answer: answerer.Answer, context: str) -> bool:
        at = answer["start"]
        return at > 0 and context[at - 1 : at + 1].isalpha()

    assert any(inside_a_word(answer, context) for answer, context in zip(cut, CONTEXTS, strict=True))
    assert not any(inside_a_word(answer, context) for answer, context in zip(whole, CONTEXTS, strict=True))


# The evaluated answers.


def by_stages(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """What featurize, predict and postprocess write for PAIRS: file name -> parsed content."""
    tokenizer = PairTokenizer(folder / "tokenizer.json")
    params = FeaturizeParams(**settings["featurize"])
    given = [Example(f"q{number}", "", context, question, ()) for number, (question, context) in enumerate(PAIRS)]
    rows = to_table(given)
    encoded, _ = encoding.encode(rows, tokenizer, params)
    data = encoding.cut_group(rows, encoded, tokenizer, params, slow=False)
    p = PredictParams(tokens_per_batch=100, precision="float32", instructions="native", deterministic=True)
    logits = predict.predict(span_model.load(folder), data, p, torch.device("cpu"), lambda lengths_B: None)
    contexts = {example.id: example.context for example in given}
    search = AnswerSearchParams(**settings["answer_search"])
    found = search_split(data, logits, contexts, settings["postprocess"]["n_best_size"], search)
    calibration = Calibration(**settings["calibration"])
    threshold = calibration.null_score_diff_threshold
    assert threshold is not None
    written = run.answers(found, run.num_features(data), threshold, calibration)
    return {**written.contents(), "nbest.json": {row.id: entries(row) for row in found.rows()}}


def in_order(by_id: dict[str, Any]) -> list[Any]:
    return [by_id[f"q{number}"] for number in range(len(PAIRS))]


def test_with_the_calibrated_threshold_answers_are_those_that_are_scored(
    released: QuestionAnswerer, folder: Path
) -> None:
    written = by_stages(folder, EVALUATED)
    found = released(question=QUESTIONS, context=CONTEXTS, threshold="calibrated")
    assert [answer["answer"] for answer in found] == in_order(written["predictions.json"])
    assert 0 < [answer["answer"] for answer in found].count("") < len(found)  # both kinds are looked at
    probabilities = [answer["no_answer_probability"] for answer in found]
    assert probabilities == pytest.approx(in_order(written["na_prob.json"]), abs=1e-5)


def test_with_a_threshold_the_list_is_nbest_with_the_chosen_answer_first(
    released: QuestionAnswerer, folder: Path
) -> None:
    written = by_stages(folder, EVALUATED)
    found = released(question=QUESTIONS, context=CONTEXTS, threshold="calibrated", top_k=8)
    for number, listed in enumerate(found):
        nbest = written["nbest.json"][f"q{number}"]
        expected = {entry["text"]: entry["probability"] for entry in nbest}
        assert {answer["answer"]: answer["score"] for answer in listed} == pytest.approx(expected, abs=1e-5)
        assert listed[0]["answer"] == written["predictions.json"][f"q{number}"]
        rest = [answer["score"] for answer in listed[1:]]
        assert rest == sorted(rest, reverse=True)


def test_a_threshold_needs_no_calibration_if_it_is_a_number(qa: QuestionAnswerer) -> None:
    never, always = (qa(question=QUESTIONS, context=CONTEXTS, threshold=limit) for limit in (1e9, -1e9))
    assert all(answer["answer"] for answer in never)
    assert not any(answer["answer"] for answer in always)
    assert "no_answer_probability" not in never[0]


def test_the_probability_of_no_answer_comes_with_a_calibration(released: QuestionAnswerer) -> None:
    found = released(question=QUESTIONS, context=CONTEXTS)
    assert all(0 < answer["no_answer_probability"] < 1 for answer in found)
    assert len({answer["no_answer_probability"] for answer in found}) > 6


def test_settings_of_a_project_are_those_of_its_release(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(json.dumps(EVALUATED))
    (tmp_path / "calibration.json").write_text(json.dumps(EVALUATED["calibration"]))
    known = answering.of_project(tmp_path / "params.yaml", tmp_path / "calibration.json")
    (tmp_path / "answering.json").write_text(to_json(answering.to_content(known)))
    assert answering.of_release(tmp_path / "answering.json") == known
    with pytest.raises(SpanlineError, match="only one of params and calibration"):
        answerer.load(folder, params=tmp_path / "params.yaml")


# Much text.


class Watched:
    """Counts the tokens of each forward pass."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tokens: list[int] = []
        collate = batches.collate

        def counted(data: Features, rows: np.ndarray, pad_token_id: int) -> batches.Batch:
            batch = collate(data, rows, pad_token_id)
            self.tokens.append(batch.input_ids_BT.numel())
            return batch

        monkeypatch.setattr(batches, "collate", counted)


def test_a_long_text_is_searched_in_batches_and_its_every_window(
    qa: QuestionAnswerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(monkeypatch)
    context = " ".join(CONTEXTS * 8)
    found = qa(question=QUESTIONS[0], context=context, align_to_words=False)
    assert max(watched.tokens) <= answerer.TOKENS_PER_BATCH["cpu"]
    assert sum(watched.tokens) > 20 * answerer.TOKENS_PER_BATCH["cpu"]
    assert context[found["start"] : found["end"]] == found["answer"]
    # one answer from every part of the text, so every window was looked at
    everywhere = qa(question=QUESTIONS[0], context=context, top_k=500, align_to_words=False, max_answer_len=2)
    places = np.sort([answer["start"] for answer in everywhere])
    assert np.diff(places).max() < len(context) / 20


def test_groups_are_bounded_and_change_nothing(qa: QuestionAnswerer, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = qa(question=QUESTIONS, context=CONTEXTS)
    groups: list[int] = []
    cut_group = encoding.cut_group

    def counted(group: list[Example], *rest: Any, **options: Any) -> Features:
        groups.append(len(group))
        return cut_group(group, *rest, **options)

    monkeypatch.setattr(answerer, "cut_group", counted)
    monkeypatch.setattr(answerer, "GROUP_CHARACTERS", 1000)
    assert qa(question=QUESTIONS, context=CONTEXTS) == approx(whole)
    assert 3 < len(groups) < len(QUESTIONS)
    assert sum(groups) == len(QUESTIONS)


def test_pairs_are_taken_group_by_group(qa: QuestionAnswerer, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endless stream of questions can be answered."""
    monkeypatch.setattr(answerer, "GROUP_CHARACTERS", 1)
    taken = []

    def endless() -> Any:
        while True:
            taken.append(1)
            yield answerer.Pair(QUESTIONS[0], CONTEXTS[0], "here")

    stream = qa.stream(endless(), Settings())
    first, second = next(stream), next(stream)
    assert first == approx(second)
    assert len(taken) <= 3


def test_any_number_of_workers_gives_the_same_bits(folder: Path) -> None:
    before = torch.get_num_threads()
    two, three = (answerer.load(folder, device="cpu", workers=count) for count in (2, 3))
    settings = {**SHORT, "top_k": 3}
    assert two(question=QUESTIONS, context=CONTEXTS, **settings) == three(
        question=QUESTIONS, context=CONTEXTS, **settings
    )
    assert torch.get_num_threads() == before


def test_progress_counts_features_to_their_end(
    qa: QuestionAnswerer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(answerer, "PROGRESS_EVERY_S", 0.0)
    qa(question=QUESTIONS, context=CONTEXTS, progress=True)
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.match(r"ask  (\d+)/\1 features  12 question\(s\) read  [\d,]+ features/s  0.0 s left$", last)
    qa(question=QUESTIONS, context=CONTEXTS)
    assert capsys.readouterr().err == ""


def test_a_tokenizer_whose_pairs_are_not_concatenated_cuts_them_itself(
    qa: QuestionAnswerer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise encoding.PairsAreNotConcatenatedError

    cut = encoding.cut
    calls: list[int] = []

    def only_for_the_check(*arguments: Any) -> Features:
        calls.append(1)
        return cut(*arguments)

    expected = qa(question=QUESTIONS, context=CONTEXTS, **SHORT)
    monkeypatch.setattr(answerer, "check_cut", refuse)  # what it says of a tokenizer of that kind
    monkeypatch.setattr(encoding, "cut", only_for_the_check)
    slow = answerer.load(folder, device="cpu", workers=1)
    assert slow(question=QUESTIONS, context=CONTEXTS, **SHORT) == approx(expected)
    assert len(calls) == 1


# Bad input, bad settings, bad folders.


@pytest.mark.parametrize(
    ("question", "context", "message"),
    [
        ("", "text", "question of pair 1: is empty; give a text with words"),
        (" \n", "text", "question of pair 1: is empty"),
        ("Who?", "", "context of pair 1: is empty"),
        (["Who?", "What?"], ["text", "\t"], "context of pair 2: is empty"),
        (["Who?", 3], "text", "question of pair 2: is of type int; give a text"),
        ("Who?", None, "context: is of type NoneType; give a text or a list of texts"),
        (b"Who?", "text", "question: is of type bytes"),
        (["Who?"], ["a", "b"], "arguments: are 1 questions and 2 contexts"),
        ("Who?", "a\ud800b", "context of pair 1: has half a surrogate pair at character 1"),
        ("Who?", "\x00\x01", "context of pair 1: makes no tokens"),
        ("\u200b\x01", "text", "question of pair 1: makes no tokens"),
    ],
)
def test_bad_input_is_one_typed_line(qa: QuestionAnswerer, question: Any, context: Any, message: str) -> None:
    with pytest.raises(BadInputError) as caught:
        qa(question=question, context=context)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("plane", [0x1F600, 0x20000, 0x2FA1D, 0x30000, 0xE0041, 0xF0000, 0x10FFFD])
def test_every_plane_of_unicode_is_counted_in_characters(qa: QuestionAnswerer, plane: int) -> None:
    context = f"a {chr(plane)} river {chr(plane)}{chr(plane)} cafe\u0301 \u202enames"
    found = qa(question=f"Which {chr(plane)} river?", context=context, top_k=30, max_answer_len=4)
    assert len(found) > 5
    assert all(context[answer["start"] : answer["end"]] == answer["answer"] for answer in found)


@pytest.mark.parametrize("settings", [{"align_to_words": True}, {"align_to_words": False}, {"threshold": 0.0}])
def test_answers_are_whole_where_the_tokenizer_drops_or_merges_characters(
    settings: dict[str, Any], qa: QuestionAnswerer
) -> None:
    context = "Zoe\u0308 met Rene\u0301 \u2764\ufe0f \u05e9\u05b8\u05dc\u05d5\u05dd\u200f, no"
    dropped = set("\u0308\u0301\ufe0f\u05b8\u200f")
    found = [a for a in qa(question="Who?", context=context, top_k=200, max_answer_len=8, **settings) if a["answer"]]
    for answer in found:
        assert context[answer["start"] : answer["end"]] == answer["answer"]
        assert context[answer["end"] : answer["end"] + 1] not in dropped
        assert answer["answer"][0] not in dropped
    texts = {answer["answer"] for answer in found}
    assert texts >= {"Zoe\u0308", "Rene\u0301", "\u2764\ufe0f"}
    assert any(text.endswith("\u200f") for text in texts)


def test_a_context_of_too_many_windows_is_refused_by_name(qa: QuestionAnswerer) -> None:
    with pytest.raises(BadInputError) as caught:
        qa(question=["a", "b"], context=["a b", "a " * 70_000], max_seq_len=8, doc_stride=3, max_question_len=1)
    what = "has 69,997 windows, more than 65,535, the most that are numbered"
    todo = "raise max_seq_len (now 8), or lower doc_stride (now 3)"
    assert str(caught.value) == f"context of pair 2: {what}; {todo}"


def test_a_question_that_leaves_no_room_is_refused_with_the_numbers(qa: QuestionAnswerer) -> None:
    with pytest.raises(BadInputError, match=r"question of pair 1: has \d+ tokens, which leaves room for \d+ context"):
        qa(question="who " * 40, context="text", max_seq_len=40, doc_stride=10, max_question_len=30)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"top_k": 0}, "ask: 'settings.top_k' is 0, which should be greater than or equal to 1; change it"),
        ({"max_answer_len": 1.5}, "ask: 'settings.max_answer_len' is 1.5, which should be a valid integer"),
        ({"doc_stride": True}, "ask: 'settings.doc_stride' is True, which should be a valid integer"),
        ({"max_seq_len": 129}, "max_seq_len: is 129, more than the model has positions; choose 128 or less"),
        ({"topk": 2}, "ask: unknown key 'settings.topk'; did you mean 'top_k'?"),
        ({"threshold": "calibrated"}, "threshold: is 'calibrated', but there is no calibration with the model"),
        ({"threshold": "tuned"}, "ask: 'settings.threshold' is 'tuned', which should be 'calibrated'"),
        ({"threshold": float("nan")}, "ask: 'settings.threshold' is nan"),
        ({"threshold": 0.0, "handle_impossible_answer": True}, "threshold: is given beside handle_impossible_answer"),
    ],
)
def test_bad_settings_are_one_line(qa: QuestionAnswerer, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SpanlineError) as caught:
        qa(question="Who?", context="text", **settings)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "model.safetensors"])
def test_a_folder_that_lacks_a_file_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    for file in folder.iterdir():
        if file.name != name:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(BadModelError, match=rf"{name}: there is no such file; .*question-answering model"):
        answerer.load(tmp_path)


def test_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadModelError, match=r"nowhere.*there is no such file"):
        answerer.load(tmp_path / "nowhere")


def test_a_model_of_another_task_is_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModelForTokenClassification

    AutoModelForTokenClassification.from_config(AutoConfig.from_pretrained(tiny_encoder)).save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes((tiny_encoder / "tokenizer.json").read_bytes())
    with pytest.raises(BadModelError, match="holds no span head; give a folder with"):
        answerer.load(tmp_path)


def test_a_device_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(SpanlineError, match="device: torch can't use 'abacus' here; give auto, cpu"):
        answerer.load(folder, device="abacus")


def test_memory_that_runs_out_says_what_to_lower(qa: QuestionAnswerer, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(predict, "arithmetic", full)
    with pytest.raises(
        SpanlineError, match="ask: out of memory on cpu; load the model with tokens_per_batch below 512"
    ):
        qa(question=QUESTIONS[0], context=CONTEXTS[0])


def test_logits_that_are_not_finite_are_refused(folder: Path) -> None:
    broken = answerer.load(folder, device="cpu", workers=1)
    with torch.no_grad():
        broken._model.head.bias.fill_(torch.nan)
    with pytest.raises(SpanlineError, match="its logits are not finite"):
        broken(question=QUESTIONS[0], context=CONTEXTS[0])

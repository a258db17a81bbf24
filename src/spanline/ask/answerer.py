"""The question answerer: it calls the functions of featurize, predict and postprocess, one group of texts at a time.

Arguments and results mean what they meant in `pipeline("question-answering")` (see `ranking`); docs/ASK.md has the
table and every difference. With `threshold` the answers are the evaluated ones instead: those that postprocess would
write.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict

import numpy as np
import torch

from spanline import model_folder
from spanline.ask import fast_bert
from spanline.ask.answering import Evaluated
from spanline.ask.documents import DocumentAnswer, answers_of, best
from spanline.ask.locate import locate
from spanline.ask.ranking import Ranked, rank
from spanline.ask.settings import Settings, settings_of
from spanline.common.console import Progress
from spanline.common.errors import SpanlineError
from spanline.dataset.records import Example
from spanline.dataset.splits import to_table
from spanline.featurize.encoding import PairsAreNotConcatenatedError, check_cut, cut_group, encode
from spanline.featurize.params import FeaturizeParams
from spanline.featurize.tokenizer import PairTokenizer
from spanline.featurize.windows import MOST_WINDOWS, Encoded, num_windows
from spanline.model import device as devices
from spanline.model import span_model
from spanline.model.precision import Precision
from spanline.model.span_model import SpanModel
from spanline.no_answer.probability import no_answer_probability
from spanline.no_answer.rule import is_null
from spanline.postprocess.nbest_json import entries
from spanline.predict import run as predict
from spanline.predict.params import PredictParams
from spanline.search.nbest import Found, search
from spanline.search.params import AnswerSearchParams
from spanline.storage.features import Features
from spanline.storage.logits import Logits
from spanline.storage.ragged import Array

MAX_SEQ_LEN, DOC_STRIDE, MAX_QUESTION_LEN, MAX_ANSWER_LEN = 384, 128, 64, 15  # tokens; the old pipeline's defaults
GROUP_CHARACTERS = 1 << 20  # characters of context that are in work at a time: bounds memory
TOKENS_PER_BATCH = {
    "cpu": 512,
    "cuda": 1 << 15,
}  # a forward pass; on a CPU what its caches hold, on a GPU what fills it
PROGRESS_EVERY_S = 5.0
CHECKED, CHECKED_CHARACTERS = 16, 2000  # the first questions, and how much of their contexts, are cut both ways


class BadInputError(SpanlineError):
    """A question or a context that cannot be answered or searched; `where` says which."""


class BadModelError(SpanlineError):
    """A folder that holds no question-answering model, or not all of one."""


class Answer(TypedDict):
    """What the old pipeline gave as an answer; `context[start:end] == answer`, the null answer is "" from 0 to 0."""

    score: float  # probability
    start: int  # characters of the context
    end: int  # exclusive
    answer: str
    no_answer_probability: NotRequired[float]  # calibrated; there if the answerer knows a calibration


class Pair(NamedTuple):
    """A question on a context; `where` names it in errors."""

    question: str
    context: str
    where: str


@dataclass(frozen=True)
class _Resolved:
    """Settings with every default filled in."""

    featurize: FeaturizeParams
    max_answer_length: int
    threshold: float | None


class QuestionAnswerer:
    """A model that answers questions. Made by `load`."""

    def __init__(
        self,
        spans: SpanModel,
        tokenizer: PairTokenizer,
        device: torch.device,
        workers: int,
        tokens_per_batch: int,
        precision: Precision,
        known: Evaluated | None,
    ) -> None:
        self.evaluated = known  # settings and calibration of the scored answers; None: not known here
        self._model, self._tokenizer, self._device = spans.to(device).eval(), tokenizer, device
        self._workers, self._tokens_per_batch, self._precision = workers, tokens_per_batch, precision
        self._max_positions = span_model.max_positions(spans)
        self._slow: bool | None = None  # whether the tokenizer must cut each pair itself; None: not looked at yet

    def __call__(
        self, question: str | Sequence[str], context: str | Sequence[str], *, progress: bool = False, **settings: Any
    ) -> Any:
        """The answer, or with `top_k` above 1 the list of answers, best first. Lists of questions give a list of those.

        A list of questions goes with one context or with a list of as many. `settings`: the fields of `Settings`.
        `progress`: lines on stderr every few seconds. Raises BadInputError, and SpanlineError for other mistakes.
        """
        chosen = settings_of(settings)
        found = list(self.stream(pairs_of(question, context), chosen, progress))
        shaped: list[Any] = found if chosen.top_k > 1 else [answers[0] for answers in found]
        return shaped[0] if isinstance(question, str) else shaped

    def stream(self, pairs: Iterable[Pair], settings: Settings, progress: bool = False) -> Iterator[list[Answer]]:
        """For each pair, in order, its `top_k` best answers or as many as there are, best first.

        Pairs are read and answered in groups of about GROUP_CHARACTERS, so any number of them may come.
        """
        resolved = self._resolve(settings)
        num_answered = 0
        for group in _groups(pairs):
            features = self._features(group, resolved.featurize)
            logits = self._logits(features, f"{num_answered + len(group):,} question(s) read" if progress else None)
            contexts = [pair.context for pair in group]
            if resolved.threshold is None:
                yield from self._by_probability(features, logits, contexts, settings, resolved)
            else:
                yield from self._as_evaluated(features, logits, contexts, settings, resolved)
            num_answered += len(group)

    def search(
        self, question: str, documents: Mapping[str, str], *, progress: bool = False, **settings: Any
    ) -> list[DocumentAnswer]:
        """The `top_k` (default 10) best answers to the question in all documents, best first, each with its document.

        `documents`: texts by name, none of them empty. They are searched as the evaluated answers are; `documents` says
        what the scores are. A `threshold` leaves out answers whose score_diff is above it. Raises BadInputError.
        """
        chosen = settings_of({"top_k": 10, "threshold": sys.float_info.max, **settings})
        if chosen.threshold is None:
            chosen = chosen.model_copy(update={"threshold": sys.float_info.max})
        resolved = self._resolve(chosen)
        assert resolved.threshold is not None
        calibration = self.evaluated.calibration if self.evaluated else None
        found: list[DocumentAnswer] = []
        num_read = 0
        for group in _groups(check_pair(question, text, name) for name, text in documents.items()):
            num_read += len(group)
            features = self._features(group, resolved.featurize)
            logits = self._logits(features, f"{num_read:,} document(s) read" if progress else None)
            listed = self._search(features, logits, [pair.context for pair in group], chosen, resolved)
            names = [pair.where for pair in group]
            found = best(found + answers_of(names, listed, calibration, resolved.threshold), chosen.top_k)
        return found

    def _resolve(self, settings: Settings) -> _Resolved:
        """Fill in what is not given; SpanlineError for what cannot be."""
        threshold = self._threshold(settings)
        known = self.evaluated if threshold is not None else None
        if known:
            given, max_answer_length = known.featurize, known.answer_search.max_answer_length
        else:
            max_seq_len = settings.max_seq_len or min(self._max_positions or MAX_SEQ_LEN, MAX_SEQ_LEN)
            given, max_answer_length = _old_featurize(max_seq_len), MAX_ANSWER_LEN
        changes = {
            "max_length": settings.max_seq_len,
            "doc_stride": settings.doc_stride,
            "max_question_length": settings.max_question_len,
        }
        featurize = given.model_copy(update={name: value for name, value in changes.items() if value is not None})
        if self._max_positions is not None and featurize.max_length > self._max_positions:
            todo = f"choose {self._max_positions} or less"
            raise SpanlineError("max_seq_len", f"is {featurize.max_length}, more than the model has positions", todo)
        return _Resolved(featurize, settings.max_answer_len or max_answer_length, threshold)

    def _threshold(self, settings: Settings) -> float | None:
        if settings.threshold is not None and settings.handle_impossible_answer:
            what = "is given beside handle_impossible_answer, another way to decide when there is no answer"
            raise SpanlineError("threshold", what, "drop one of the two")
        if settings.threshold != "calibrated":
            return settings.threshold
        if self.evaluated is None:
            what = "is 'calibrated', but there is no calibration with the model"
            raise SpanlineError("threshold", what, "load it with params=... and calibration=..., or give a number")
        return self.evaluated.threshold

    def _features(self, group: list[Pair], params: FeaturizeParams) -> Features:
        """The features of the group, as the featurize stage cuts them."""
        given = [Example(str(number), "", pair.context, pair.question, ()) for number, pair in enumerate(group)]
        rows = to_table(given)
        encoded, _ = encode(rows, self._tokenizer, params)
        self._check_tokens(group, encoded, params)
        if self._slow is None:
            self._slow = not self._concatenates(given[:CHECKED], params)
        return cut_group(rows, encoded, self._tokenizer, params, self._slow)

    def _concatenates(self, given: list[Example], params: FeaturizeParams) -> bool:
        """Whether the tokenizer encodes these pairs as their parts put together; contexts are cut short for it."""
        short = to_table([replace(example, context=example.context[:CHECKED_CHARACTERS]) for example in given])
        encoded, _ = encode(short, self._tokenizer, params)
        try:
            cut = cut_group(short, encoded, self._tokenizer, params, slow=False)
            check_cut(short, cut, self._tokenizer, params, first=0)
        except PairsAreNotConcatenatedError:
            return False
        return True

    def _check_tokens(self, group: list[Pair], encoded: Encoded, params: FeaturizeParams) -> None:
        """Refuse what makes no tokens, and questions that leave no room for context."""
        lengths = encoded.questions.lengths
        room = params.max_length - self._tokenizer.template.num_special - lengths
        for name, counts in (("question", lengths), ("context", encoded.contexts.ids.lengths[encoded.context_of])):
            empty = np.flatnonzero(counts == 0)
            if len(empty):
                what = "makes no tokens: the model's vocabulary drops every character of it"
                raise BadInputError(f"{name} of {group[empty[0]].where}", what, "give one with words")
        narrow = np.flatnonzero(room <= params.doc_stride)
        if len(narrow):
            what = f"has {lengths[narrow[0]]} tokens, which leaves room for {max(room[narrow[0]], 0)} context tokens"
            todo = f"raise max_seq_len (now {params.max_length}), or lower doc_stride (now {params.doc_stride})"
            raise BadInputError(f"question of {group[narrow[0]].where}", what, f"{todo} or max_question_len")
        windows = num_windows(encoded, self._tokenizer.template, params.max_length, params.doc_stride)
        many = np.flatnonzero(windows > MOST_WINDOWS)
        if len(many):
            what = f"has {windows[many[0]]:,} windows, more than {MOST_WINDOWS:,}, the most that are numbered"
            todo = f"raise max_seq_len (now {params.max_length}), or lower doc_stride (now {params.doc_stride})"
            raise BadInputError(f"context of {group[many[0]].where}", what, todo)

    def _logits(self, features: Features, read: str | None) -> Logits:
        """As the predict stage computes them. `read`: shown with the progress; None shows none."""
        shown = Progress("ask", len(features), "features", PROGRESS_EVERY_S)

        def tick(lengths_B: Array) -> None:
            if read:
                shown.add(len(lengths_B), read)

        tokens = self._tokens_per_batch
        p = PredictParams(
            tokens_per_batch=tokens, precision=self._precision, instructions="native", deterministic=False
        )
        try:
            return predict.predict(self._model, features, p, self._device, tick, self._workers)
        except SpanlineError as error:
            if "out of memory" not in error.what:
                raise
            raise SpanlineError("ask", error.what, f"load the model with tokens_per_batch below {tokens}") from None

    def _by_probability(
        self, features: Features, logits: Logits, contexts: list[str], settings: Settings, resolved: _Resolved
    ) -> Iterator[list[Answer]]:
        """The old pipeline's answers."""
        words = None
        if settings.align_to_words:
            known = {context: self._tokenizer.words(context) for context in dict.fromkeys(contexts)}
            words = [known[context] for context in contexts]
        for ranked in rank(features, logits, contexts, words, settings.top_k, resolved.max_answer_length):
            answers = [_answer(a.score, a.start, a.end, a.text) for a in ranked.answers]
            if settings.handle_impossible_answer:
                answers.append(_answer(ranked.null_probability, 0, 0, ""))
                answers.sort(key=lambda answer: -answer["score"])  # stable: behind a span of the same score
            yield self._with_probability(answers[: settings.top_k], ranked)

    def _as_evaluated(
        self, features: Features, logits: Logits, contexts: list[str], settings: Settings, resolved: _Resolved
    ) -> Iterator[list[Answer]]:
        """The answers of nbest.json with their probabilities there; the one that predictions.json has comes first."""
        assert resolved.threshold is not None
        for found in self._search(features, logits, contexts, settings, resolved):
            listed = entries(found)
            null = is_null(found.score_diff, resolved.threshold)
            chosen = next(entry for entry in listed if bool(entry["text"]) is not null)
            answers = [
                _answer(entry["probability"], entry.get("start", 0), entry.get("end", 0), entry["text"])
                for entry in [chosen, *(entry for entry in listed if entry is not chosen)]
            ]
            yield self._with_probability(answers[: settings.top_k], found)

    def _search(
        self, features: Features, logits: Logits, contexts: list[str], settings: Settings, resolved: _Resolved
    ) -> list[Found]:
        """As postprocess searches."""
        known = self.evaluated
        n_best_size = max(known.postprocess.n_best_size if known else 20, settings.top_k - 1)  # and the null answer
        max_context, top_n = (known.answer_search.max_context, known.answer_search.top_n) if known else (False, None)
        params = AnswerSearchParams(max_answer_length=resolved.max_answer_length, max_context=max_context, top_n=top_n)
        return search(features, logits, contexts, n_best_size, params).rows()

    def _with_probability(self, answers: list[Answer], of: Ranked | Found) -> list[Answer]:
        """The answers with the calibrated probability that there is none, where a calibration is known."""
        if self.evaluated is not None:
            calibration = self.evaluated.calibration
            diff = np.inf if of.score_diff is None else of.score_diff
            probability = no_answer_probability([diff], calibration.slope, calibration.intercept).item()
            for answer in answers:
                answer["no_answer_probability"] = probability
        return answers


def load(
    folder: str | Path,
    *,
    params: str | Path | None = None,
    calibration: str | Path | None = None,
    device: str = "auto",
    workers: int = 0,
    tokens_per_batch: int = 0,
    precision: Literal["float32", "bfloat16"] = "float32",
    encoder: Literal["auto", "transformers"] = "auto",
) -> QuestionAnswerer:
    """The model of `folder`: data/model, a released folder, any in the Hugging Face layout with a tokenizer.json, or
    (as a text) OWNER/NAME on the Hugging Face hub, with @REVISION behind it if not the newest is meant.

    `params` and `calibration`: the params.yaml and the calibration.json that belong to it; a release holds its own, and
    those of the project of a data/model are found. `device`: auto, cpu, cuda, cuda:1, ...; auto takes a GPU when there
    is one. `workers`: batches at a time on a CPU, each on one thread; 0 = one for each core. `tokens_per_batch`: per
    forward pass, bounds memory; 0 = what suits the device. `precision` of matrix products: bfloat16 is faster on
    processors that have it, and moves probabilities by about 0.01. `encoder`: auto takes that of `fast_bert` for BERT,
    which starts in a third of the time, and else transformers', as the stages do. Raises BadModelError.
    """
    if precision not in ("float32", "bfloat16"):
        raise SpanlineError("precision", f"is {precision!r}", "give float32 or bfloat16")
    located = locate(folder, params, calibration)
    folder = located.folder
    where = _device(device)
    devices.warn_of_slow_bfloat16(where, precision, "native")
    try:
        tokenizer = PairTokenizer(folder / model_folder.TOKENIZER) if folder.is_dir() else None
        spans = (fast_bert.load(folder) if encoder == "auto" else None) or span_model.load(folder)
    except SpanlineError as error:
        files = f"{model_folder.CONFIG}, {model_folder.WEIGHTS} and {model_folder.TOKENIZER}"
        todo = f"give a folder with {files} of a question-answering model"
        raise BadModelError(error.where, error.what, f"{todo}, such as data/model after `dvc repro`") from None
    assert tokenizer is not None  # span_model.load refuses a missing folder
    tokens = tokens_per_batch or TOKENS_PER_BATCH.get(where.type, TOKENS_PER_BATCH["cuda"])
    return QuestionAnswerer(
        spans, tokenizer, where, devices.num_workers(where, workers), tokens, precision, located.known
    )


def pairs_of(question: str | Sequence[str], context: str | Sequence[str]) -> list[Pair]:
    """The arguments of a call as pairs; BadInputError where they are no texts or do not fit together."""
    questions = [question] if isinstance(question, str) else question
    if not isinstance(questions, Sequence) or isinstance(questions, bytes):
        raise BadInputError("question", f"is of type {type(question).__name__}", "give a text or a list of texts")
    contexts = [context] * len(questions) if isinstance(context, str) else context
    if not isinstance(contexts, Sequence) or isinstance(contexts, bytes):
        raise BadInputError("context", f"is of type {type(context).__name__}", "give a text or a list of texts")
    if len(questions) != len(contexts):
        what = f"are {len(questions)} questions and {len(contexts)} contexts"
        raise BadInputError("arguments", what, "give one context, or as many as questions")
    return [
        check_pair(q, c, f"pair {number}") for number, (q, c) in enumerate(zip(questions, contexts, strict=True), 1)
    ]


def check_pair(question: Any, context: Any, where: str) -> Pair:
    """A pair of two texts with something in them; BadInputError otherwise."""
    for name, text in (("question", question), ("context", context)):
        place = f"{name} of {where}"
        if not isinstance(text, str):
            raise BadInputError(place, f"is of type {type(text).__name__}", "give a text")
        if not text.strip():
            raise BadInputError(place, "is empty", "give a text with words")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            what = f"has half a surrogate pair at character {error.start}"
            raise BadInputError(place, what, "decode the text as what it was written in") from None
    return Pair(question, context, where)


def _old_featurize(max_seq_len: int) -> FeaturizeParams:
    """The old pipeline's defaults, for features of `max_seq_len` tokens."""
    return FeaturizeParams(
        max_length=max_seq_len,
        doc_stride=min(max_seq_len // 2, DOC_STRIDE),
        max_question_length=MAX_QUESTION_LEN,
        long_questions="cut",
        rows_per_shard=1,  # nothing is written
    )


def _answer(score: float, start: int, end: int, text: str) -> Answer:
    return {"score": score, "start": start, "end": end, "answer": text}


def _groups(pairs: Iterable[Pair]) -> Iterator[list[Pair]]:
    """Consecutive pairs with GROUP_CHARACTERS of contexts together; a longer context is a group of its own."""
    group: list[Pair] = []
    characters = 0
    for pair in pairs:
        if group and characters + len(pair.context) > GROUP_CHARACTERS:
            yield group
            group, characters = [], 0
        group.append(pair)
        characters += len(pair.context)
    if group:
        yield group


def _device(name: str) -> torch.device:
    try:
        return devices.find(name)
    except SpanlineError:
        raise SpanlineError("device", f"torch can't use {name!r} here", "give auto, cpu, cuda, cuda:1 or mps") from None

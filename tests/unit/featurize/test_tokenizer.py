"""A tokenizer.json is reduced to ids, offsets and the template of a pair; what can't serve is refused in one line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from spanline.common.errors import SpanlineError
from spanline.featurize.tokenizer import PairTokenizer, Template
from spanline.storage.ragged import Ragged
from spanline.tokens.offsets import Characters
from spanline.walkthrough import steps
from tests.make.kinds import KINDS, tokenizer_json, words_of
from tests.make.offsets import completed
from tests.make.project import TOKENIZERS, bert, save, tiny_examples

# before, between, after, their types, question's and context's type, where "no answer" stands
TEMPLATES = {
    "bert": ([2], [3], [3], [0], [0], [1], 0, 1, ("before", 0)),
    "roberta": ([0], [2, 2], [2], [0], [0, 0], [0], 0, 0, ("before", 0)),
    "roberta-prefix": ([0], [2, 2], [2], [0], [0, 0], [0], 0, 0, ("before", 0)),
    "albert": ([2], [3], [3], [0], [0], [1], 0, 1, ("before", 0)),
    "xlnet": ([], [3], [3, 2], [], [0], [1, 2], 0, 1, ("after", 1)),
}


def template_of(tokenizer: Tokenizer, tmp_path: Path) -> Template:
    return PairTokenizer(save(tokenizer, tmp_path)).template


def with_pair(pair: str) -> Tokenizer:
    """One word a token, and this template of two texts."""
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "b": 1, "[CLS]": 2, "[SEP]": 3, "[MID]": 4, "?": 5}, "?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = [("[CLS]", 2), ("[SEP]", 3), ("[MID]", 4)]
    tokenizer.post_processor = processors.TemplateProcessing(single="$A", pair=pair, special_tokens=special)
    return tokenizer


@pytest.mark.parametrize("name", TOKENIZERS)
def test_the_template_of_each_family(name: str, tmp_path: Path) -> None:
    found = template_of(TOKENIZERS[name](), tmp_path)
    slots = (found.before, found.between, found.after, found.before_types, found.between_types, found.after_types)
    rest = (found.question_type, found.context_type, (found.null_slot, found.null_index))
    assert (*(slot.tolist() for slot in slots), *rest) == TEMPLATES[name]
    assert found.num_special == len(TEMPLATES[name][0]) + len(TEMPLATES[name][1]) + len(TEMPLATES[name][2])


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ("[SEP] $A [SEP] $B [CLS]", ("after", 0)),  # the one that occurs once
        ("[SEP] $A [CLS] $B [SEP]", ("between", 0)),
        ("[SEP] $A [SEP] $B [SEP]", ("before", 0)),  # none does: the first
        ("[CLS] $A [MID] $B [SEP]", ("before", 0)),  # all do: the first
        ("$A [MID] [CLS] [MID] $B", ("between", 1)),
    ],
)
def test_where_no_answer_stands(pair: str, expected: tuple[str, int], tmp_path: Path) -> None:
    found = template_of(with_pair(pair), tmp_path)
    assert (found.null_slot, found.null_index) == expected


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ("$A $B", "adds no special token, so no position can mean 'no answer'; choose another encoder"),
        ("[CLS] $B [SEP] $A", "puts the second text before the first; choose another encoder"),
        ("[CLS] $A", "does not encode a pair of texts; choose an encoder that was made for pairs"),
    ],
)
def test_a_template_that_cannot_serve_is_one_line(pair: str, expected: str, tmp_path: Path) -> None:
    if "$B" in pair:
        path = save(with_pair(pair), tmp_path)
    else:  # the library refuses to build it, so the file is written by hand
        path = save(with_pair(f"{pair} $B"), tmp_path)
        content = json.loads(path.read_text())
        content["post_processor"]["pair"].pop()
        path.write_text(json.dumps(content))
    with pytest.raises(SpanlineError) as caught:
        PairTokenizer(path)
    assert str(caught.value) == f"{path}: {expected}"


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    with pytest.raises(SpanlineError) as caught:
        PairTokenizer(path)
    todo = "choose an encoder whose tokenizer has a fast file (tokenizer.json)"
    assert str(caught.value) == f"{path}: there is no such file; {todo}"


@pytest.mark.parametrize("content", ["", "{}", '{"version": "1.0", "model": {"type": "Nonsense"}}', "[1, 2"])
def test_what_is_no_tokenizer_is_one_line(content: str, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(content)
    with pytest.raises(SpanlineError) as caught:
        PairTokenizer(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: is no tokenizer: ")
    assert message.endswith("; make the checkpoint anew: dvc repro checkpoint")


@pytest.mark.parametrize("name", TOKENIZERS)
def test_texts_are_encoded_as_the_tokenizer_does(name: str, tmp_path: Path) -> None:
    own = TOKENIZERS[name]()  # trained once: a second training may break ties otherwise
    ours = PairTokenizer(save(own, tmp_path))
    given = tiny_examples()
    questions = ours.questions(pa.array([example.question for example in given]))
    contexts = ours.contexts(pa.array([example.context for example in given]))
    for row, example in enumerate(given):
        question = own.encode(example.question.lstrip(), add_special_tokens=False)
        assert questions[row].tolist() == question.ids
        context = own.encode(example.context, add_special_tokens=False)
        assert contexts.ids[row].tolist() == context.ids
        pairs = zip(contexts.offset_starts[row].tolist(), contexts.offset_ends[row].tolist(), strict=True)
        assert list(pairs) == completed(example.context, context.offsets)


def test_leading_blanks_of_a_question_make_no_tokens(tmp_path: Path) -> None:
    ours = PairTokenizer(save(TOKENIZERS["roberta"](), tmp_path))
    blank, bare = (ours.questions(pa.array([text]))[0].tolist() for text in ("  \n Who was it?", "Who was it?"))
    assert blank == bare


def test_offsets_count_characters_also_after_an_emoji(tmp_path: Path) -> None:
    text = "🎉🎉 brûlée 馆"
    for name in TOKENIZERS:
        ours = PairTokenizer(save(TOKENIZERS[name](), tmp_path)).contexts(pa.array([text]))
        assert ours.offset_ends.values.max() == len(text)


def test_padding_and_truncation_of_the_file_are_turned_off(tmp_path: Path) -> None:
    tokenizer = TOKENIZERS["bert"]()
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=50)
    ours = PairTokenizer(save(tokenizer, tmp_path))
    assert 5 < len(ours.contexts(pa.array(["Lake Orvel lies in the hills north of Brandmoor."])).ids[0]) < 50


def test_no_texts(tmp_path: Path) -> None:
    ours = PairTokenizer(save(TOKENIZERS["bert"](), tmp_path))
    no_texts = pa.array([], pa.string())
    assert len(ours.questions(no_texts)) == len(ours.contexts(no_texts).ids) == 0
    assert ours.contexts(pa.array(["", " "])).ids.lengths.tolist() == [0, 0]


def test_words_are_the_pre_tokenizers(tmp_path: Path) -> None:
    text = " Kateminster's café, 3.5 \U0001f600 km"
    words = PairTokenizer(save(bert(), tmp_path)).words(text)
    assert words is not None
    found = [text[start:end] for start, end in zip(words.starts.tolist(), words.ends.tolist(), strict=True)]
    assert found == ["Kateminster", "'", "s", "café", ",", "3", ".", "5", "\U0001f600", "km"]


def test_a_text_without_words_has_none(tmp_path: Path) -> None:
    assert PairTokenizer(save(bert(), tmp_path)).words(" ") is None


def covered_words(tokenizer: PairTokenizer, text: str) -> list[str]:
    """The words of the text that tokens cover from the first to the last character, and nothing beside."""
    encoded = tokenizer.contexts(pa.array([text]))
    starts, ends = set(encoded.offset_starts.values.tolist()), set(encoded.offset_ends.values.tolist())
    return [word for word, at in words_of(text) if at in starts and at + len(word) in ends]


def test_offsets_that_trimming_cut_short_are_repaired(tmp_path: Path) -> None:
    """RobBERT's tokenizer takes the first letter of each word for the space that it put there itself."""
    path = tmp_path / "tokenizer.json"
    path.write_text(tokenizer_json("robbert"), encoding="utf-8")
    text = "The end of  a plain\nline in 1902 at Oss"
    own = Tokenizer.from_file(str(path)).encode(text, add_special_tokens=False).offsets
    assert 4 not in {start for start, _ in own}  # of "end"
    tokenizer = PairTokenizer(path)
    assert covered_words(tokenizer, text) == text.split()
    assert tokenizer.contexts(pa.array([text])).num_uncovered.tolist() == [0]


def no_unknown_token(pre_tokenizer: Any) -> Tokenizer:
    """Byte pairs of the characters in "the end": the library forgets others when it counts offsets within a word."""
    tokenizer = Tokenizer(models.BPE())
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    special = ["[CLS]", "[SEP]"]
    trainer = trainers.BpeTrainer(vocab_size=30, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(["the end tab lies"], trainer)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 1), ("[CLS]", 0))
    return tokenizer


def test_offsets_that_cannot_be_repaired_are_refused_in_one_line(tmp_path: Path) -> None:
    path = save(no_unknown_token(None), tmp_path)
    with pytest.raises(SpanlineError) as caught:
        PairTokenizer(path)
    todo = "choose an encoder with another tokenizer: no answer could be cut out of a text by these"
    assert re.fullmatch(
        rf"{re.escape(str(path))}: gives offsets that leave out a part of the word '\w+'; {todo}", str(caught.value)
    )


def test_wrong_offsets_that_only_some_texts_show_are_refused_too(tmp_path: Path) -> None:
    """Words of letters that it does not know have no offsets at all; those with a part of them have wrong ones."""
    tokenizer = PairTokenizer(save(no_unknown_token(pre_tokenizers.WhitespaceSplit()), tmp_path))
    encoded = tokenizer.contexts(pa.array(["the UFO lies", "the end"]))
    assert encoded.num_uncovered.tolist() == [3, 0]
    with pytest.raises(SpanlineError, match="gives offsets that leave out a part of the word 'the'"):
        tokenizer.contexts(pa.array(["the end", "\u2192\u2192the end"]))


def test_offsets_behind_the_text_are_refused(tmp_path: Path) -> None:
    whole = PairTokenizer(save(bert(), tmp_path)).whole
    starts, ends = (Ragged(np.array(column), np.array([0, 2])) for column in ([0, 2], [1, 9]))
    with pytest.raises(SpanlineError, match=r"gives offsets that fall or leave the text, in 'a b'"):
        whole._refuse_wrong(["a b"], Characters.of(["a b"]), starts, ends)


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_words_and_steps_know_the_characters_of_no_token(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(tokenizer_json(kind), encoding="utf-8")
    tokenizer, text = PairTokenizer(path), "ok Rene\u0301 \u2764\ufe0f end"
    encoded = tokenizer.contexts(pa.array([text]))
    pairs = list(zip(encoded.offset_starts.values.tolist(), encoded.offset_ends.values.tolist(), strict=True))
    found = steps.tokens(tokenizer, "Rene\u0301?", text)
    assert [pair for pair, sequence in zip(found.offsets, found.sequences, strict=True) if sequence == 1] == pairs
    assert 8 in encoded.offset_ends.values
    words = tokenizer.words(text)
    assert words is None or 8 in words.ends

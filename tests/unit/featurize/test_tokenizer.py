"""A tokenizer.json is reduced to ids, offsets and the template of a pair; what can't serve is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from spanline.common.errors import SpanlineError
from spanline.featurize.tokenizer import PairTokenizer, Template
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
        assert list(pairs) == context.offsets


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

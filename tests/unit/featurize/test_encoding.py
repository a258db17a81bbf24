"""Questions lose leading blanks, and are cut or refused beyond their limit; each context is tokenized once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from spanline.common.errors import SpanlineError
from spanline.dataset import splits
from spanline.featurize import encoding
from spanline.featurize.encoding import cut_group, encode
from spanline.featurize.tokenizer import PairTokenizer
from spanline.storage.ragged import Ragged
from tests.make.project import TOKENIZERS, example, featurize, featurize_params, save, tiny_examples


def test_long_questions_are_cut_and_the_context_keeps_its_room(tmp_path: Path) -> None:
    tokenizer = TOKENIZERS["bert"]()
    long = next(e for e in tiny_examples() if e.id == "long-question")
    params = featurize_params(max_question_length=12)
    data, counts = featurize([long], save(tokenizer, tmp_path), tmp_path / "features", params)
    question = tokenizer.encode(long.question, add_special_tokens=False).ids[:12]
    for row in range(len(data)):
        assert data.input_ids[row].tolist()[1:14] == [*question, 3]
    assert data.lengths[:-1].tolist() == [128] * (len(data) - 1)
    assert counts["questions_cut"] == 1
    refuse = featurize_params(max_question_length=12, long_questions="refuse")
    with pytest.raises(SpanlineError) as caught:
        featurize([long], save(tokenizer, tmp_path), tmp_path / "refused", refuse)
    found = len(tokenizer.encode(long.question, add_special_tokens=False).ids)
    assert str(caught.value) == (
        f"question long-question: has {found} tokens, more than featurize.max_question_length 12; "
        "raise that number or set featurize.long_questions: cut"
    )
    assert not (tmp_path / "refused").exists()


def test_leading_blanks_of_a_question_change_nothing(tmp_path: Path) -> None:
    pair = [example("a", "Lake Orvel", "Which lake?"), example("b", "Lake Orvel", " \t\n Which lake?")]
    for make in TOKENIZERS.values():
        data, _ = featurize(pair, save(make(), tmp_path), tmp_path / "features", featurize_params())
        assert data.input_ids[0].tolist() == data.input_ids[1].tolist()


def test_examples_are_encoded_with_the_first_of_their_answers(tmp_path: Path) -> None:
    tokenizer = PairTokenizer(save(TOKENIZERS["bert"](), tmp_path))
    given = [
        example("two", "Lake Orvel is cold.", "What?", ("cold", 14), ("Lake", 0)),
        example("none", "Lake Orvel is cold."),
        example("other", "\U0001f389 the boat", "Who?", ("boat", 6)),  # characters are counted, not bytes
        example("again", "Lake Orvel is cold.", "Where?", ("Orvel", 5)),
    ]
    splits.write(tmp_path / "split.parquet", given)
    encoded, num_cut = encode(splits.read_group(tmp_path / "split.parquet", 0), tokenizer, featurize_params())
    assert encoded.ids.to_pylist() == ["two", "none", "other", "again"]
    assert encoded.answer_starts.tolist() == [14, -1, 6, 5]
    assert encoded.answer_ends.tolist() == [18, -1, 10, 10]
    assert encoded.context_of.tolist() == [0, 0, 1, 0]
    assert len(encoded.contexts.ids) == 2
    own = tokenizer.contexts(pa.array(["Lake Orvel is cold.", "\U0001f389 the boat"]))
    for row in range(2):
        assert encoded.contexts.ids[row].tolist() == own.ids[row].tolist()
    assert num_cut == 0


@pytest.mark.parametrize(("extra", "fits"), [(0, True), (1, False)])
def test_more_windows_than_can_be_numbered_are_refused_by_name(extra: int, fits: bool, tmp_path: Path) -> None:
    """Room for 4 context tokens, of which neighbours share 3: a window for each further token."""
    tokenizer = PairTokenizer(save(TOKENIZERS["bert"](), tmp_path))
    params = featurize_params(max_length=8, doc_stride=3, max_question_length=1)
    long = example("long", "a " * (65_538 + extra), "a")
    rows = splits.to_table([example("short", "a", "a"), long])
    encoded, _ = encode(rows, tokenizer, params)
    if fits:
        data = cut_group(rows, encoded, tokenizer, params, slow=False)
        assert data.window.tolist() == [0, *range(65_535)]
        return
    for slow in (False, True):
        with pytest.raises(SpanlineError) as caught:
            cut_group(rows, encoded, tokenizer, params, slow)
        assert str(caught.value) == (
            "question long: has a context of 65,536 windows, more than 65,535, the most that are numbered; "
            "raise featurize.max_length, lower featurize.doc_stride, or part the context"
        )


def test_a_long_context_is_checked_by_its_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tokenizer itself is never given more than so many characters, however long a context is."""
    tokenizer = PairTokenizer(save(TOKENIZERS["bert"](), tmp_path))
    seen: list[int] = []
    own = tokenizer.windows
    monkeypatch.setattr(tokenizer, "windows", lambda *given: seen.append(len(given[1])) or own(*given))
    params = featurize_params()
    for length in (encoding.CHECKED_CHARACTERS, encoding.CHECKED_CHARACTERS + 1, 300_000):
        context = ("Lake Orvel is cold. " * 15_000)[:length]
        rows = splits.to_table([example("long", context, "Who?", ("cold", context.rindex("cold")))])
        data = cut_group(rows, encode(rows, tokenizer, params)[0], tokenizer, params, slow=False)
        encoding.check_cut(rows, data, tokenizer, params, first=0)
    assert seen == [encoding.CHECKED_CHARACTERS] * 3
    spoilt = replace(data, token_type_ids=Ragged(1 - data.token_type_ids.values, data.token_type_ids.bounds))
    monkeypatch.setattr(encoding, "cut_group", lambda *_, **__: spoilt)
    with pytest.raises(encoding.PairsAreNotConcatenatedError, match="long"):
        encoding.check_cut(rows, data, tokenizer, params, first=0)

"""Everything odd is counted: questions cut, answers in no feature, answers widened to whole tokens."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer

from spanline.common import files
from spanline.dataset.records import Example
from spanline.featurize.counts import summary
from spanline.storage import features
from spanline.storage.features import Features
from tests.make.project import TOKENIZERS, bert, example, featurize, featurize_params, save, tiny_examples
from tests.make.windows import rows_of_examples


def label_text(data: Features, rows: range, gold: Example) -> str:
    """The text that the first labelled feature of an example points at."""
    row = next(row for row in rows if data.start_position[row] != data.null_position[row])
    first, last = (int(p[row]) - int(data.context_start[row]) for p in (data.start_position, data.end_position))
    return gold.context[data.offset_starts[row][first] : data.offset_ends[row][last]]


def test_counts_of_everything_odd(tmp_path: Path) -> None:
    """Room for 10 context tokens, of which neighbours share 2."""
    params = featurize_params(max_length=16, doc_stride=2, max_question_length=3)
    words = "the lake and the boat and the stair and the log and the lamp and the fog."
    given = [
        example("short", "the lake", "Who?", ("lake", 4)),
        example("widened", "the lakes", "Who?", ("lake", 4)),
        example("unanswerable", words),
        example("cut", "the lake", "who and who and who and who", ("the", 0)),
        example("everything", words, "Who?", (words, 0)),
        example("late", words, "Who?", ("lamp", words.index("lamp"))),
    ]
    tokenizer_path = save(TOKENIZERS["bert"](), tmp_path)
    data, counts = featurize(given, tokenizer_path, tmp_path / "features", params)
    rows = rows_of_examples(data)
    assert [len(part) > 1 for part in rows] == [False, False, True, False, True, True]
    assert counts == {
        "questions": 6,
        "features": len(data),
        "tokens": int(data.lengths.sum()),
        "questions_with_several_features": 3,
        "questions_cut": 1,
        "answerable": 5,
        "features_with_answer": int((data.start_position != data.null_position).sum()),
        "answers_in_no_feature": 1,
        "answers_widened": int(label_text(data, rows[1], given[1]) != "lake"),
        "answers_narrowed": 0,
        "characters_in_no_token": 0,
        "answers_in_no_feature_ids": ["everything"],
        "answers_by_tokens": by_tokens([e for e in given if e.answers], tokenizer_path),
    }
    assert files.read_json(tmp_path / "features" / "manifest.json", "")["counts"] == counts


def by_tokens(given: list[Example], tokenizer_path: Path) -> dict[str, int]:
    """The tokens of each shortest gold answer, counted by encoding the texts alone: right where these begin words."""
    tokenizer = Tokenizer.from_file(str(tokenizer_path))
    lengths = [min(len(tokenizer.encode(answer.text, add_special_tokens=False)) for answer in e.answers) for e in given]
    return {str(length): lengths.count(length) for length in sorted(set(lengths))}


def test_the_shortest_of_several_gold_answers_is_counted(tmp_path: Path) -> None:
    context = "the lake and the boat \u200b and the stair"
    given = [
        example("two", context, "Who?", ("lake and the boat", 4), ("boat", 17)),
        example("long", context, "Who?", ("lake and the boat", 4), ("the lake and the boat ", 0)),
        example("nothing", context, "Who?", ("\u200b", 22)),
        example("unanswerable", context),
    ]
    path = save(bert(vocab_size=3000), tmp_path)
    _, counts = featurize(given, path, tmp_path / "features", featurize_params())
    assert counts["answers_by_tokens"] == {"0": 1, "1": 1, "4": 1}
    assert counts["answers_in_no_feature_ids"] == ["nothing"]
    manifest = features.manifest(tmp_path / "features")
    assert [features.num_longer(manifest, tokens) for tokens in (1, 3, 4)] == [1, 1, 0]
    assert "99 % have up to 4 tokens, all 4" in summary(counts)


@pytest.mark.parametrize("name", list(TOKENIZERS))
def test_widened_answers_are_those_whose_label_is_not_the_gold_text(name: str, tmp_path: Path) -> None:
    given = tiny_examples()
    data, counts = featurize(given, save(TOKENIZERS[name](), tmp_path), tmp_path / "features", featurize_params())
    labelled = set(data.ids.filter(data.start_position != data.null_position).to_pylist())
    pairs = [(gold, rows) for gold, rows in zip(given, rows_of_examples(data), strict=True) if gold.id in labelled]
    texts = {gold.id: label_text(data, rows, gold) for gold, rows in pairs}
    assert counts["answers_widened"] == sum(
        text != gold.answers[0].text.strip() for gold, _ in pairs for text in [texts[gold.id]]
    )
    assert counts["answers_widened"] > 0
    assert counts["answers_in_no_feature_ids"] == [e.id for e in given if e.answers and e.id not in labelled]


def test_an_answer_inside_a_token_is_widened_to_it(tmp_path: Path) -> None:
    whole_words = save(bert(vocab_size=3000), tmp_path)
    given = {gold.id: gold for gold in tiny_examples()}
    for qid, text in (("inside-a-word", "Japanese"), ("last-character", "1902."), ("first-character", "Lake Orvel")):
        data, counts = featurize([given[qid]], whole_words, tmp_path / "features", featurize_params())
        assert label_text(data, range(len(data)), given[qid]) == text
        assert counts["answers_widened"] == (qid == "inside-a-word")


def test_the_last_line_says_what_became_of_every_question() -> None:
    counts = {
        "questions": 1200,
        "features": 2000,
        "tokens": 250_100,
        "questions_with_several_features": 700,
        "questions_cut": 3,
        "answerable": 1100,
        "features_with_answer": 1500,
        "answers_in_no_feature": 5,
        "answers_widened": 40,
        "answers_narrowed": 0,
        "characters_in_no_token": 0,
        "answers_by_tokens": {"1": 600, "10": 9, "2": 480, "31": 11},
    }
    line = (
        "1,200 questions -> 2,000 features of 125.0 tokens on average (700 questions have several); "
        "3 questions cut; of 1,100 answers 40 widened to whole tokens, 5 wholly inside no feature; "
        "99 % have up to 10 tokens, all 31"
    )
    assert summary(counts) == line
    odd = counts | {"answers_narrowed": 2, "characters_in_no_token": 1234}
    assert summary(odd) == (
        f"{line}; 2 end in characters that belong to no token; 1,234 characters of contexts belong to no token"
    )

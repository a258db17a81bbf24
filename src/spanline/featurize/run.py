"""The featurize stage's work: a split in, feature shards out, a row group at a time, with counts of everything odd."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from spanline.common.console import Progress, say
from spanline.common.errors import SpanlineError
from spanline.common.files import new_folder, sha256
from spanline.dataset import splits
from spanline.featurize.counts import COUNTS, answer_lengths, count
from spanline.featurize.encoding import PairsAreNotConcatenatedError, check_cut, cut_group, encode
from spanline.featurize.params import FeaturizeParams
from spanline.featurize.processes import in_order, num_processes
from spanline.featurize.tokenizer import PairTokenizer
from spanline.model_folder import read_config
from spanline.runtime import Runtime
from spanline.storage import features, shards
from spanline.storage.ragged import bounds_of
from spanline.storage.shards import ShardWriter


@dataclass(frozen=True)
class Job:
    """What a worker must know; `slow` lets the tokenizer itself cut each pair."""

    squad: Path
    tokenizer: Path
    params: FeaturizeParams
    slow: bool = False


@dataclass(frozen=True)
class CutGroup:
    """The features of one row group of the split."""

    rows: pa.Table  # features
    counts: Counter[str]
    lost: list[str]  # ids of answers in no feature
    lengths: Counter[int]  # of the shortest gold answers, in tokens


def write_features(job: Job, config: Path, out: Path, runtime: Runtime) -> dict[str, Any]:
    """Write the features of the split `job.squad` to the folder `out`, with their manifest; return its counts.

    Where the tokenizer turns out to encode pairs as more than their parts, all is begun again in the slow exact way.
    SpanlineError for params that leave no room, or that the model of the config.json `config` has no positions for.
    """
    tokenizer = PairTokenizer(job.tokenizer)
    check_room(job.params, tokenizer, config)
    try:
        return _write(job, tokenizer.vocab_size, out, runtime)
    except PairsAreNotConcatenatedError as odd:
        say(f"note: this tokenizer encodes pairs as more than their parts (question {odd}); the slow exact way")
        return _write(replace(job, slow=True), tokenizer.vocab_size, out, runtime)


def _write(job: Job, vocab_size: int, out: Path, runtime: Runtime) -> dict[str, Any]:
    sizes = splits.group_sizes(job.squad)
    progress = Progress("featurize", sum(sizes), "questions", runtime.progress_every_s)
    with new_folder(out, shards.HOLDS) as folder:
        writer = ShardWriter(folder, features.KIND, job.params.rows_per_shard)
        counts = featurize(job, writer, progress, num_processes(runtime.workers, len(sizes)))
        made_from = {"squad": sha256(job.squad), "tokenizer": sha256(job.tokenizer)}
        writer.finish(made_from, {**job.params.model_dump(), "vocab_size": vocab_size}, counts)
    return counts


def featurize(job: Job, writer: ShardWriter, progress: Progress, processes: int) -> dict[str, Any]:
    """Write the features of all examples to `writer`; return the counts for the manifest.

    Without `job.slow`, every CHECK_EVERY-th example is cut both ways, and PairsAreNotConcatenatedError is raised where
    they differ: the caller then begins again with `slow`.
    """
    counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
    lost: list[str] = []
    lengths: Counter[int] = Counter()
    sizes = splits.group_sizes(job.squad)
    for group in in_order(partial(Featurizer, job), range(len(sizes)), processes):
        writer.write(group.rows)
        counts += group.counts
        lost += group.lost
        lengths += group.lengths
        progress.add(group.counts["questions"])
    if not counts["questions"]:
        writer.write(features.empty_table(PairTokenizer(job.tokenizer).vocab_size))
    counts["answers_in_no_feature"] = len(lost)
    by_tokens = {str(tokens): lengths[tokens] for tokens in sorted(lengths)}
    return {
        **{name: counts[name] for name in COUNTS},
        "answers_in_no_feature_ids": lost,
        features.ANSWERS_BY_TOKENS: by_tokens,
    }


class Featurizer:
    """Cuts the row groups of a split, one at a time; each worker has one."""

    def __init__(self, job: Job) -> None:
        self._job, self._tokenizer = job, PairTokenizer(job.tokenizer)
        self._firsts = bounds_of(np.array(splits.group_sizes(job.squad), np.int64))

    def __call__(self, index: int) -> CutGroup:
        questions = splits.read_group(self._job.squad, index)
        encoded, num_cut = encode(questions, self._tokenizer, self._job.params)
        cut = cut_group(questions, encoded, self._tokenizer, self._job.params, self._job.slow)
        if not self._job.slow:
            check_cut(questions, cut, self._tokenizer, self._job.params, first=int(self._firsts[index]))
        counts, lost = count(encoded, cut)
        rows = features.to_table(cut, self._tokenizer.vocab_size)
        lengths = answer_lengths(questions.column("answers").combine_chunks(), encoded)
        return CutGroup(rows, counts + Counter(questions_cut=num_cut), lost, lengths)


def check_room(params: FeaturizeParams, tokenizer: PairTokenizer, config: Path) -> None:
    """Refuse, before any work, lengths that leave no room for context or that the model has no positions for."""
    room = params.max_length - tokenizer.template.num_special - params.max_question_length
    if params.doc_stride >= room:
        question = f"a question of {params.max_question_length} tokens"
        what = f"featurize.doc_stride is {params.doc_stride}, but beside {question}"
        todo = f"choose less than {max(room, 0)}" if room > 0 else "raise max_length or lower max_question_length"
        raise SpanlineError("params.yaml", f"{what} a feature has room for {max(room, 0)} context tokens", todo)
    positions = model_positions(config)
    if positions is not None and params.max_length > positions:
        what = f"featurize.max_length is {params.max_length}, but the model of {config} has {positions} positions"
        raise SpanlineError("params.yaml", what, f"choose {positions} or less")


def model_positions(config: Path) -> int | None:
    """Tokens that the model of a config.json can take; None where positions are relative and set no limit."""
    content = read_config(config, "make the checkpoint anew: dvc repro checkpoint")
    positions = content.get("max_position_embeddings")
    if positions is None or content.get("position_biased_input") is False:
        return None
    offset = (content.get("pad_token_id") or 0) + 1 if content.get("model_type") in _POSITIONS_AFTER_PADDING else 0
    return int(positions) - offset


# These count positions from the padding id + 1, so that many of their position embeddings are never used for text.
_POSITIONS_AFTER_PADDING = {
    "roberta",
    "xlm-roberta",
    "xlm-roberta-xl",
    "camembert",
    "mpnet",
    "longformer",
    "esm",
    "mra",
}

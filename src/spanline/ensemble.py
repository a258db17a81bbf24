"""Several runs as one: their logits averaged, and what calibrate and postprocess make of the average. No model runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from spanline.calibrate import run as calibrate
from spanline.calibrate.params import CalibrateParams
from spanline.common import environment, files, params
from spanline.common.errors import SpanlineError
from spanline.dataset.splits import read_contexts, read_gold
from spanline.no_answer.calibration import MODEL, Calibration
from spanline.postprocess import run as postprocess
from spanline.postprocess.params import PostprocessParams, applied_threshold
from spanline.revisions import Revision
from spanline.runtime import num_cores
from spanline.search.limits import limits
from spanline.search.nbest import search_split
from spanline.search.params import AnswerSearchParams
from spanline.storage import features, logits, shards
from spanline.storage.logits import Logits
from spanline.storage.ragged import Ragged
from spanline.storage.shards import MANIFEST, Manifest, ShardWriter, read_manifest, read_shards

HOLDS = ("answers", "calibration.json", "logits")
SPLITS = ("calibration", "validation")


@dataclass(frozen=True)
class Member:
    """One run's files, each by split."""

    name: str
    squad: dict[str, Path]  # parquet
    features: dict[str, Path]  # folders
    logits: dict[str, Path]  # folders


def member(revision: Revision) -> Member:
    """The files of a revision, from DVC's cache or remote."""
    squad = revision.output_of("download")
    return Member(
        name=revision.name,
        squad={split: revision.file(squad, f"{split}.parquet") for split in SPLITS},
        features={split: revision.folder(revision.output_of(f"featurize@{split}")) for split in SPLITS},
        logits={split: revision.folder(revision.output_of(f"predict@{split}")) for split in SPLITS},
    )


def write(members: Sequence[Member], params_path: Path, out: Path) -> str:
    """logits/SPLIT, calibration.json and answers of the average into the folder `out`; the last lines, for people.

    The sections answer_search, calibrate and postprocess are those of `params_path`. The order of the members makes no
    difference. SpanlineError where their features differ.
    """
    search = params.load(params_path, "answer_search", AnswerSearchParams)
    how_to_calibrate = params.load(params_path, "calibrate", CalibrateParams)
    how_to_answer = params.load(params_path, "postprocess", PostprocessParams)
    environment.require(params_path, "numpy", "orjson", "pyarrow", "scipy")
    manifests = {split: _checked_features(members, split) for split in SPLITS}
    workers, first = num_cores(), members[0]
    with files.new_folder(out, HOLDS) as folder:
        for split in SPLITS:
            write_logits([m.logits[split] for m in members], manifests[split], folder / "logits" / split)
        n_best = {"calibration": 1, "validation": how_to_answer.n_best_size}
        found = {
            split: search_split(
                features.read(manifests[split]),
                logits.read(folder / "logits" / split, manifests[split]),
                read_contexts(first.squad[split]),
                n_best[split],
                search,
                workers,
            )
            for split in SPLITS
        }
        gold = read_gold(first.squad["calibration"])
        report = calibrate.calibrate(found["calibration"].rows(), gold, how_to_calibrate)
        content = {**report.to_content(), MODEL: logits.model_of(folder / "logits" / "calibration")}
        (folder / "calibration.json").write_text(files.to_json(content), encoding="utf-8")
        calibration = Calibration.read(folder / "calibration.json")  # rounded as postprocess reads it
        threshold = applied_threshold(how_to_answer, calibration)
        counts = postprocess.num_features(features.read(manifests["validation"]))
        limits_ = limits(manifests["validation"], search)
        answers = postprocess.answers(found["validation"], counts, threshold, calibration, limits_)
        (folder / "answers").mkdir()
        postprocess.write(folder / "answers", answers, found["validation"], workers)
    return f"{calibrate.summary(report)}\n{postprocess.summary(answers)}"


def _checked_features(members: Sequence[Member], split: str) -> Manifest:
    """The features that all members' logits of a split belong to."""
    if len(members) < 2:
        raise SpanlineError("spanline ensemble", "one run is no ensemble", "name two or more, or a pattern")
    found = features.manifest(members[0].features[split])
    seen: dict[str, str] = {}
    for each in members:
        manifest = read_manifest(each.logits[split], logits.KIND)
        if manifest.made_from["features"] != found.sha256:
            what = f"has other features of {split} than {members[0].name}, so their logits cannot be averaged"
            raise SpanlineError(each.name, what, "train it with the same featurize section, encoder and questions")
        if manifest.sha256 in seen:
            what = f"has the same logits of {split} as {seen[manifest.sha256]}"
            raise SpanlineError(each.name, what, "name each run once; runs must differ, in train.seed say")
        seen[manifest.sha256] = each.name
    return found


def write_logits(folders: Sequence[Path], of_features: Manifest, out: Path) -> None:
    """The average of these folders' logits as a folder of its own, which names all models that it comes from."""
    manifests = sorted((read_manifest(folder, logits.KIND) for folder in folders), key=lambda found: found.sha256)
    mean = average([logits.read(found.folder, of_features) for found in manifests])
    rows = pa.concat_tables(read_shards(manifests[0], logits.KIND))
    with files.new_folder(out, shards.HOLDS) as folder:
        writer = ShardWriter(folder, logits.KIND, of_features.params["rows_per_shard"])
        writer.write(logits.to_table(rows.column("id"), rows.column("window"), mean))
        made_from = {"features": of_features.sha256}
        made_from |= {f"model_{number}": found.made_from["model"] for number, found in enumerate(manifests, 1)}
        writer.finish(made_from, params={"averaged": len(manifests)}, counts={"features": of_features.rows})
    assert (out / MANIFEST).is_file()


def average(all_logits: Sequence[Logits]) -> Logits:
    """The mean of each token's logits, summed in float64 in the order given."""

    def mean(parts: Sequence[Ragged]) -> Ragged:
        total = np.zeros(len(parts[0].values), np.float64)
        for part in parts:
            assert np.array_equal(part.bounds, parts[0].bounds)
            total += part.values
        return Ragged((total / len(parts)).astype(np.float32), parts[0].bounds)

    return Logits(mean([each.start for each in all_logits]), mean([each.end for each in all_logits]))

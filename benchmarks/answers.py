"""From logits to answers and scores: plain loops of the usual kind against Spanline's, in one run.

Run it in a project whose pipeline has run (`--project`, default here). Both ways get the same data, in memory, in the
form that each of them likes; only their own work is timed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from benchmarks import machine, plain, usual_postprocess
from spanline.common import params
from spanline.common.params import read_yaml
from spanline.dataset import splits
from spanline.no_answer.calibration import Calibration
from spanline.postprocess import run
from spanline.postprocess.nbest_json import nbest_json
from spanline.postprocess.params import PostprocessParams, applied_threshold
from spanline.runtime import num_cores
from spanline.search.nbest import Found, NBest, search_split
from spanline.search.params import AnswerSearchParams
from spanline.squad_v2.scores import normalize
from spanline.squad_v2.sweep import NEVER, official_scores
from spanline.storage import features, logits
from spanline.storage.features import Features, example_bounds
from spanline.storage.logits import Logits

STAGES = ("calibrate", "postprocess", "score")
ROUNDING = 1e-5  # logits; the plain loop adds and sorts in float32
THRESHOLD = re.compile(r"(?m)^(  null_score_diff_threshold: *)(\S+)")
Rows = list[list[str]]


def main() -> None:
    args = _arguments()
    data = _read(args.project, args.split)
    rows: Rows = [["", "plain", "Spanline", "ratio"]]
    record: dict[str, Any] = {"benchmark": "answers", "questions": len(data.gold), "features": len(data.features)}
    plain_found, found = _search(data, args.repeats, rows, record)
    _files(data, plain_found, found, args.repeats, rows, record)
    _score(data, found.rows(), args.repeats, rows, record)
    _disagreements(data, plain_found, found.rows(), rows, record)
    if args.stages:
        _programs(args, data, rows, record)
        for stage in STAGES:
            record[f"stage_{stage}_s"] = _stage_seconds(args.project, stage, args.repeats)
            rows.append([f"python -m stages.{stage}", "", f"{record[f'stage_{stage}_s']:.2f} s", ""])
    if args.repro:
        record["repro_s"] = _repro_seconds(args.project, args.repeats)
        rows.append(["dvc repro after a threshold change", "", f"{record['repro_s']:.2f} s", ""])
    machine.show(rows, {**record, "repeats": args.repeats, **machine.facts("numpy", "pyarrow", "dvc")})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=Path(), help="folder with params.yaml, dvc.yaml and data/")
    parser.add_argument("--split", default="validation", help="of data/squad, data/features and data/logits")
    parser.add_argument("--repeats", type=int, default=3, help="the median is shown")
    parser.add_argument("--stages", action="store_true", help="also time the stages as processes")
    parser.add_argument("--repro", action="store_true", help="also time dvc repro; edits params.yaml and restores it")
    return parser.parse_args()


@dataclass(frozen=True)
class Data:
    """All that either way needs, in memory."""

    features: Features
    logits: Logits
    contexts: dict[str, str]  # by qid
    gold: dict[str, list[str]]  # by qid
    search: AnswerSearchParams
    n_best_size: int
    threshold: float  # logits
    calibration: Calibration


def _read(project: Path, split: str) -> Data:
    squad, data = project / "data" / "squad" / f"{split}.parquet", project / "data"
    manifest = features.manifest_of(data / "features" / split, squad)
    p = params.load(project / "params.yaml", "postprocess", PostprocessParams)
    calibration = Calibration.read(data / "calibration.json")
    return Data(
        features=features.read(manifest),
        logits=logits.read(data / "logits" / split, manifest),
        contexts=splits.read_contexts(squad),
        gold=splits.read_gold(squad),
        search=params.load(project / "params.yaml", "answer_search", AnswerSearchParams),
        n_best_size=p.n_best_size,
        threshold=applied_threshold(p, calibration),
        calibration=calibration,
    )


# In memory.


def _search(data: Data, repeats: int, rows: Rows, record: dict[str, Any]) -> tuple[list[plain.Answer], NBest]:
    """The n-best spans and the null score of every question."""
    questions = _questions(data)
    length = data.search.max_answer_length
    seconds, results = machine.alternate(
        [
            lambda: plain.search(questions, data.n_best_size, length),
            lambda: search_split(data.features, data.logits, data.contexts, data.n_best_size, data.search, num_cores()),
        ],
        repeats,
    )
    _compared("search", seconds, rows, record)
    plain_found, found = results
    return plain_found, found  # type: ignore[return-value]


def _questions(data: Data) -> list[plain.Question]:
    """The features as the plain loop holds them."""
    bounds = example_bounds(data.features).tolist()
    ids = data.features.ids.to_pylist()
    return [
        plain.Question(ids[low], data.contexts[ids[low]], [_window(data, row) for row in range(low, high)])
        for low, high in pairwise(bounds)
    ]


def _window(data: Data, row: int) -> plain.Window:
    part, start = data.features, data.logits.start[row]
    pairs = list(zip(part.offset_starts[row].tolist(), part.offset_ends[row].tolist(), strict=True))
    before = int(part.context_start[row])
    after = len(start) - before - len(pairs)
    offsets = [*[None] * before, *pairs, *[None] * after]
    return plain.Window(offsets, start, data.logits.end[row], int(part.null_position[row]))


def _files(
    data: Data,
    plain_found: Sequence[plain.Answer],
    found: NBest,
    repeats: int,
    rows: Rows,
    record: dict[str, Any],
) -> None:
    """Spans -> the contents of the answer files, thresholds and probabilities included."""
    counts = run.num_features(data.features)
    seconds, _ = machine.alternate(
        [
            lambda: plain.files(plain_found, data.threshold),
            lambda: (
                run.as_json(run.answers(found, counts, data.threshold, data.calibration)),
                list(nbest_json(found, num_cores())),
            ),
        ],
        repeats,
    )
    _compared("files", seconds, rows, record)
    both = [record[f"search_{way}_s"] + record[f"files_{way}_s"] for way in ("plain", "spanline")]
    _compared("postprocess = search + files", both, rows, record, "postprocess")


def _score(data: Data, found: Sequence[Found], repeats: int, rows: Rows, record: dict[str, Any]) -> None:
    """The official numbers of the best spans, the sweep over na_prob included."""
    best = {f.id: f.spans[0].text if f.spans else "" for f in found}
    diff = {f.id: f.score_diff for f in found}
    na_prob = {qid: 1.0 if d is None else 0.5 * (1.0 + math.tanh(0.5 * d)) for qid, d in diff.items()}

    def ours() -> dict[str, float]:
        normalize.cache_clear()  # a new process starts without it
        return official_scores(data.gold, best, na_prob, NEVER)

    seconds, results = machine.alternate([lambda: plain.score(data.gold, best, na_prob), ours], repeats)
    _compared("score", seconds, rows, record)
    assert set(results[0]) == set(results[1])
    record["score_largest_difference"] = max(abs(results[0][key] - results[1][key]) for key in results[0])
    rows.append(["score: largest difference of a number", "", f"{record['score_largest_difference']:.1e}", ""])


def _compared(name: str, seconds: Sequence[float], rows: Rows, record: dict[str, Any], key: str | None = None) -> None:
    ratio = seconds[0] / seconds[1]
    rows.append([name, f"{seconds[0]:.3f} s", f"{seconds[1]:.3f} s", f"{ratio:.1f} x"])
    for way, value in zip(("plain_s", "spanline_s", "ratio"), [*seconds, ratio], strict=True):
        record[f"{key or name}_{way}"] = round(value, 4)


def _disagreements(
    data: Data, plain_found: Sequence[plain.Answer], found: Sequence[Found], rows: Rows, record: dict[str, Any]
) -> None:
    """Questions where the two searches differ: in the best span, in its score, in the answer at the threshold."""
    counts = dict.fromkeys(("best_spans", "exact_scores_higher", "exact_scores_lower", "answers"), 0)
    for theirs, ours in zip(plain_found, found, strict=True):
        assert theirs.id == ours.id
        their_text, our_text = _best_text(theirs.nbest), ours.spans[0].text if ours.spans else ""
        gain = _best_score(ours) - (_float64(theirs.nbest[0]) if theirs.nbest else -math.inf)
        counts["best_spans"] += their_text != our_text
        counts["exact_scores_higher"] += gain > ROUNDING
        counts["exact_scores_lower"] += gain < -ROUNDING
        their_diff = theirs.null_score - _float64(theirs.nbest[0]) if theirs.nbest else math.inf
        our_diff = math.inf if ours.score_diff is None else ours.score_diff
        given = ["" if d > data.threshold else text for d, text in ((their_diff, their_text), (our_diff, our_text))]
        counts["answers"] += given[0] != given[1]
    labels = {
        "best_spans": "best spans that differ",
        "exact_scores_higher": "best scores higher in the exact search",
        "exact_scores_lower": "best scores lower in the exact search",
        "answers": f"answers that differ at threshold {data.threshold:.4f}",
    }
    for key, count in counts.items():
        record[f"differ_{key}"] = count
        rows.append([labels[key], "", f"{count:,} of {len(found):,}", ""])


def _best_text(nbest: Sequence[dict[str, Any]]) -> str:
    return str(nbest[0]["text"]).strip() if nbest else ""


def _float64(candidate: dict[str, Any]) -> float:
    return float(candidate["start_logit"]) + float(candidate["end_logit"])


def _best_score(found: Found) -> float:
    return found.spans[0].score if found.spans else -math.inf


# As processes.


def _programs(args: argparse.Namespace, data: Data, rows: Rows, record: dict[str, Any]) -> None:
    """Post-processing as it is met with: the usual program, which walks over a `datasets.Dataset`, against ours. First
    what either does in memory, then from files to files, without imports and (ours) with start-up and imports."""
    with tempfile.TemporaryDirectory() as name:
        folder, squad = Path(name), args.project / f"data/squad/{args.split}.parquet"
        _save_usual(data, folder)
        usual = (data.n_best_size, data.search.max_answer_length, data.threshold)
        questions = datasets.load_dataset("parquet", data_files=str(squad), split="train", cache_dir=name)
        features_, logits_ = datasets.load_from_disk(str(folder / "features")), np.load(folder / "logits.npy")
        seconds, _ = machine.alternate(
            [lambda: usual_postprocess.make(questions, features_, logits_, *usual), lambda: _ours(data)], args.repeats
        )
        _compared("postprocess, features in a Dataset", seconds, rows, record, "dataset")
        command = [sys.executable, "-m", "benchmarks.usual_postprocess", "--squad", str(squad.resolve())]
        command += ["--features", str(folder / "features"), "--logits", str(folder / "logits.npy"), "--out", name]
        command += ["--n-best-size", str(usual[0]), "--max-answer-length", str(usual[1]), "--threshold", str(usual[2])]
        times: list[tuple[float, float, float]] = []
        for _ in range(args.repeats):
            done = subprocess.run(command, cwd=machine.ROOT, capture_output=True, text=True, check=True)
            os.sync()  # ours waits until its files are on the disk: not for the other's
            ours = _main_seconds(args.project, "postprocess"), _stage_seconds(args.project, "postprocess", 1)
            times.append((float(done.stdout.splitlines()[-1]), *ours))
    whole, main, process = map(statistics.median, zip(*times, strict=True))
    _compared("postprocess, from files to files", [whole, main], rows, record, "program")
    _compared("the same, ours with start-up", [whole, process], rows, record, "program_with_startup")


def _ours(data: Data) -> list[Any]:
    """From features and logits to the contents of all files."""
    cores = num_cores()
    found = search_split(data.features, data.logits, data.contexts, data.n_best_size, data.search, cores)
    counts = run.num_features(data.features)
    return [
        run.as_json(run.answers(found, counts, data.threshold, data.calibration)),
        *nbest_json(found, cores),
    ]


def _save_usual(data: Data, folder: Path) -> None:
    """Features and logits as the usual program keeps them: padded, offsets null outside the context."""
    questions = _questions(data)
    windows = [(question.id, window) for question in questions for window in question.windows]
    width = max(len(window.offsets) for _, window in windows)
    columns = {
        "example_id": [qid for qid, _ in windows],
        "offset_mapping": [[*w.offsets, *[None] * (width - len(w.offsets))] for _, w in windows],
        "null_position": [w.null_position for _, w in windows],
    }
    datasets.Dataset.from_dict(columns).save_to_disk(str(folder / "features"))
    padded = np.full((2, len(windows), width), -1e4, np.float32)
    for row, (_, window) in enumerate(windows):
        padded[:, row, : len(window.offsets)] = window.start_logits, window.end_logits
    np.save(folder / "logits.npy", padded)


def _stage_seconds(project: Path, stage: str, repeats: int) -> float:
    """The stage's own command of dvc.yaml, start-up included. It writes the same bytes over its outputs."""
    return _median_seconds([sys.executable, *_stage_command(project, stage)[1:]], project, repeats)


def _main_seconds(project: Path, stage: str) -> float:
    """The same once, without Python's start-up and the imports."""
    program = (
        "import sys, time; from spanline.common import environment; environment.hide('pandas');"
        f"from stages import {stage} as stage; started = time.perf_counter(); stage.main();"
        "print(time.perf_counter() - started)"
    )
    command = [sys.executable, "-c", program, *_stage_command(project, stage)[3:]]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def _stage_command(project: Path, stage: str) -> list[str]:
    """python -m stages.NAME and its arguments."""
    stages = read_yaml(project / "dvc.yaml")["stages"]
    command = shlex.split(stages[stage]["cmd"])
    assert command[:3] == ["python", "-m", f"stages.{stage}"]
    return command


def _repro_seconds(project: Path, repeats: int) -> float:
    """`dvc repro` after postprocess.null_score_diff_threshold got a number that is new; then all is put back."""
    dvc = [sys.executable, "-m", "dvc"]
    status = subprocess.run([*dvc, "status", "--json"], cwd=project, capture_output=True, text=True, check=True)
    if json.loads(status.stdout):
        sys.exit("error: dvc.lock: the pipeline is not up to date; run `dvc repro` first")
    path = project / "params.yaml"
    before = path.read_text(encoding="utf-8")
    assert len(THRESHOLD.findall(before)) == 1
    seconds = []
    try:
        for _ in range(repeats):
            threshold = f"{(time.time_ns() % 10**9) / 10**9:.9f}"  # new each time: the run cache has no answer
            path.write_text(THRESHOLD.sub(rf"\g<1>{threshold}", before), encoding="utf-8")
            seconds.append(_median_seconds([*dvc, "repro"], project, 1))
    finally:
        path.write_text(before, encoding="utf-8")
        subprocess.run([*dvc, "repro", "--quiet"], cwd=project, check=True, stdout=sys.stderr)
    return statistics.median(seconds)


def _median_seconds(command: list[str], project: Path, repeats: int) -> float:
    seconds = []
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for _ in range(repeats):
        started = time.perf_counter()
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
        seconds.append(time.perf_counter() - started)
        if done.returncode:
            sys.exit(f"{shlex.join(command)} exited {done.returncode}:\n{done.stdout}{done.stderr}")
    return statistics.median(seconds)


if __name__ == "__main__":
    main()

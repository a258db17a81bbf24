"""Runs to show: answers with n-best lists made up from a seed, and the other files that the report stage reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spanline.answers import NBEST, Answers
from spanline.common import files
from spanline.dataset import splits
from spanline.dataset.records import Example
from spanline.download.statistics import Statistics
from tests.make.project import run_stage, tiny_examples, write_params
from tests.make.scored import answers_at

SPLITS = ("train", "calibration", "validation")
OPTIONS = "--squad data/squad --answers data/answers --metrics metrics --out data/report"


def write_answers(
    folder: Path, examples: Sequence[Example], seed: int, threshold: float = 0.5, most: int = 4
) -> Answers:
    """A folder as postprocess leaves it: gold answers often come first; the rest are at most `most` words."""
    random = np.random.default_rng(seed)
    lists = {example.id: _entries(example, random, most) for example in examples}
    best = {qid: next((e["text"] for e in entries if e["text"]), "") for qid, entries in lists.items()}
    diff = {qid: _difference(entries) for qid, entries in lists.items()}
    na_prob = {qid: 1.0 if value is None else 1 / (1 + float(np.exp(-value))) for qid, value in diff.items()}
    answers = answers_at(best, diff, na_prob, threshold, threshold)
    for name, content in answers.contents().items():
        files.write_text(folder / name, files.to_json(content))
    lines = ",\n".join(f"{json.dumps(qid)}: {json.dumps(entries)}" for qid, entries in lists.items())
    files.write_text(folder / NBEST, f"{{\n{lines}\n}}\n")
    return answers


def _entries(example: Example, random: np.random.Generator, most: int) -> list[dict[str, Any]]:
    """Spans and the null answer, best first."""
    words = [
        (place, place + len(word))
        for word in dict.fromkeys(example.context.split())
        if (place := example.context.find(word)) >= 0
    ]
    spans = [words[number] for number in random.permutation(len(words))[:most]]
    if example.answers and random.random() < 0.6:
        gold = example.answers[0]
        spans = [(gold.start, gold.start + len(gold.text)), *spans]
    scores = np.sort(random.normal(2, 3, len(spans)))[::-1].round(3)
    null = round(float(random.normal(2 if not example.answers else -1, 3)), 3)
    entries: list[tuple[float, dict[str, Any]]] = [(null, {"text": "", "score": null, "probability": 0.1})]
    for (start, end), score in zip(dict.fromkeys(spans), scores.tolist(), strict=False):
        text = {"text": example.context[start:end], "probability": 0.1, "start": start, "end": end}
        entries.append((score, text | {"start_logit": score - 1, "end_logit": 1.0}))
    return [entry for _, entry in sorted(entries, key=lambda pair: -pair[0])]


def _difference(entries: list[dict[str, Any]]) -> float | None:
    null = next(entry["score"] for entry in entries if not entry["text"])
    best = next((entry["start_logit"] + entry["end_logit"] for entry in entries if entry["text"]), None)
    return None if best is None else float(null - best)


def make_run(folder: Path, examples: Sequence[Example] | None = None, seed: int = 1) -> list[Example]:
    """A project folder with all that the report stage reads; its scores come from the score stage."""
    given = tiny_examples() if examples is None else list(examples)
    described: dict[str, Any] = {}
    facts: dict[str, Any] = {}
    for split in SPLITS:
        statistics = Statistics()
        counts = splits.write(folder / f"data/squad/{split}.parquet", statistics.watch(given))
        described[split] = statistics.summary()
        facts[split] = {**vars(counts), "repeated_questions": 0, "contradicting_questions": 0}
    shared = {"train_and_validation": {"articles": 4, "contexts": 5}}
    dataset = {"source": "synthetic", "splits": facts, "shared": shared}
    contents = {
        "data/squad/dataset.json": dataset,
        "data/squad/statistics.json": described,
        "metrics/train.json": {"steps": 4, "epochs": 1.0, "features": 39, "tokens": 900, "final_loss": 1.25},
    }
    for name, content in contents.items():
        files.write_text(folder / name, files.to_json(content))
    history = "step,epoch,loss,learning_rate,grad_norm\n2,0.5,3.5,0.0002,1\n4,1.0,2.5,0.0,1\n"
    files.write_text(folder / "metrics/train_history.csv", history)
    columns = ("calibration_start_accuracy", "calibration_end_accuracy", "calibration_token_f1")
    files.write_text(folder / "metrics/train_epochs.csv", files.to_csv(("epoch", *columns), [(1.0, 0.8, 0.8, 0.7)]))
    write_answers(folder / "data/answers", given, seed)
    write_params(folder)
    options = "--squad data/squad/validation.parquet --answers data/answers --out metrics/validation.json"
    outputs = "--scores metrics/scores.json --slices metrics/slices.csv --plots metrics/plots"
    code, lines = run_stage(folder, "score", *options.split(), *outputs.split())
    assert code == 0, lines
    return given

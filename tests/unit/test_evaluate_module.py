"""`evaluate.load(PATH)` loads our scorer offline; it takes and gives what the hub's squad_v2 does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.make.scored import EDGE_CASES, EDGE_GOLD, read
from tests.paths import ROOT

SCRIPT = """
import json, sys, evaluate
module, gold, cases = sys.argv[1:]
metric = evaluate.load(module)
data = json.load(open(gold, encoding="utf-8"))["data"]
qas = [qa for article in data for paragraph in article["paragraphs"] for qa in paragraph["qas"]]
references = [
    {"id": qa["id"], "answers": {key: [answer[key] for answer in qa["answers"]] for key in ("text", "answer_start")}}
    for qa in qas
]
found = {}
for name, case in json.load(open(cases, encoding="utf-8")).items():
    predictions = [
        {"id": qid, "prediction_text": text, "no_answer_probability": case["na_prob"][qid]}
        for qid, text in case["predictions"].items()
    ]
    found[name] = {
        "official_with_na_prob": metric.compute(predictions=predictions, references=references),
        "official_with_na_prob_threshold_0_5": metric.compute(
            predictions=predictions, references=references, no_answer_threshold=0.5
        ),
    }
refused = ""
try:
    metric.compute(predictions=predictions[1:] + predictions[1:2], references=references)
except ValueError as error:
    refused = str(error)
def without(predictions, *absent):
    return [
        {key: value for key, value in row.items() if key != "no_answer_probability" or number not in absent}
        for number, row in enumerate(predictions)
    ]
gold_case = json.load(open(cases, encoding="utf-8"))["near"]
texts = gold_case["predictions"].items()
predictions = [{"id": qid, "prediction_text": text, "no_answer_probability": 0.5} for qid, text in texts]
bare = without(predictions, *range(len(predictions)))
found["without"] = metric.compute(predictions=bare, references=references)
by_id = {row["id"]: row for row in references}
for row in bare:
    metric.add(prediction=row, reference=by_id[row["id"]])
found["one by one"] = metric.compute()
mixed = ""
try:
    metric.compute(predictions=without(predictions, 1, 2), references=references)
except ValueError as error:
    mixed = str(error)
print(json.dumps({"found": found, "refused": refused, "mixed": mixed, "questions": len(references)}))
"""


@pytest.mark.slow
def test_gives_the_official_scores_offline(tmp_path: Path) -> None:
    """In a process of its own, for `evaluate` reads its settings when it is imported."""
    environ = {**os.environ, "HF_HOME": str(tmp_path), "HF_EVALUATE_OFFLINE": "1", "HF_HUB_OFFLINE": "1"}
    environ["PYTHONPATH"] = str(ROOT / "src")
    module = ROOT / "evaluate_modules" / "spanline_squad_v2"
    words = [sys.executable, "-c", SCRIPT, str(module), str(EDGE_GOLD), str(EDGE_CASES)]
    done = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    output = json.loads(done.stdout.splitlines()[-1])
    for name, case in read(EDGE_CASES).items():
        for key, found in output["found"][name].items():
            assert list(found) == list(case[key])
            assert found == pytest.approx(case[key], rel=0, abs=1e-9), (name, key)
    official = read(EDGE_CASES)["near"]["official"]
    for key in ("without", "one by one"):
        assert output["found"][key] == pytest.approx(official, rel=0, abs=1e-9)
    what = f"predictions: 2 of {output['questions']} have no no_answer_probability"
    assert output["mixed"] == f"{what}; give it for all of them, or for none"
    assert output["refused"].startswith("predictions: 1 ids occur again")

"""Answers of transformers 5.2's question-answering pipeline against Spanline's, on the same questions, in one run.

transformers 5.2 is the last one with that pipeline. It lives in an environment of its own (`--old-python`, made if it
is not there) and in a process of its own; the two take turns. Every answer is compared, under several settings, and
every difference is shown.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks import machine
from spanline.ask import QuestionAnswerer, load
from spanline.common.console import say
from spanline.download.formats import read_official

OLD = ("transformers==5.2.0", "torch==2.13.0")
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "with the null answer": {"handle_impossible_answer": True},
    "top 3 with the null answer": {"top_k": 3, "handle_impossible_answer": True},
    "top 2 by tokens": {"top_k": 2, "align_to_words": False},
    "windows of 96 tokens": {"max_seq_len": 96, "doc_stride": 32},
}
LIMIT = 1e-4  # of a score's difference
SEED = 17  # of the choice of questions


class Old:
    """The old pipeline in its process."""

    def __init__(self, python: Path, model: Path, threads: int) -> None:
        script = Path(__file__).with_name("old_pipeline.py")
        self._process = subprocess.Popen(
            [python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.versions = self._request({"model": str(model), "threads": threads})

    def __call__(self, questions: Sequence[str], contexts: Sequence[str], settings: dict[str, Any]) -> Any:
        """Seconds and answers."""
        reply = self._request({"questions": questions, "contexts": contexts, "settings": settings})
        return reply["seconds"], reply["answers"]

    def _request(self, content: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(content) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            sys.exit("the old pipeline's process ended; run benchmarks/old_pipeline.py by hand to see why")
        return json.loads(line)


def main() -> None:
    args = _arguments()
    python = _environment(args.old_python)
    pairs = [(example.question, example.context) for example in read_official(args.squad, str(args.squad))]
    random.Random(SEED).shuffle(pairs)
    questions, contexts = ([pair[side] for pair in pairs[: args.num_questions]] for side in (0, 1))
    torch.set_num_threads(args.threads)
    old, ours, coarse = (
        Old(python, args.model, args.threads),
        load(args.model, device="cpu", workers=args.threads),
        load(args.model, device="cpu", workers=args.threads, precision="bfloat16"),
    )

    differences = {}
    for name in SETTINGS if args.parity else []:
        _, expected = old(questions, contexts, SETTINGS[name])
        differences[name] = compare(expected, ours(question=questions, context=contexts, **SETTINGS[name]))
        say(f"{name}: {differences[name][0]} answers differ, scores by {differences[name][1]:.1e} at most")
    coarsely = compare(*(each(question=questions, context=contexts) for each in (ours, coarse)))
    _report(args, old, differences, coarsely, _throughput(args, old, [ours, coarse], questions, contexts))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--squad", type=Path, required=True, help="dev-v2.0.json, official JSON")
    parser.add_argument("--model", type=Path, default=Path("data/model"), help="what the train stage wrote")
    parser.add_argument("--num-questions", type=int, default=500, help=f"drawn by seed {SEED}")
    help_ = "environment with transformers 5.2, made with pip if it is not there (default: .scratch/transformers-5.2)"
    parser.add_argument("--old-python", type=Path, default=Path(".scratch/transformers-5.2"), help=help_)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of each side, on the CPU")
    parser.add_argument(
        "--repeats", type=int, default=3, help="of each side, in turn; the median is shown; 0: no timing"
    )
    parser.add_argument("--no-parity", dest="parity", action="store_false", help="time only")
    return parser.parse_args()


def _environment(folder: Path) -> Path:
    """The environment's Python; pip takes whichever build of torch the package index has."""
    python = folder.absolute() / "bin" / "python"
    if not python.exists():
        say(f"making {folder} with {' and '.join(OLD)}")
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *OLD], check=True)
    return python


def compare(expected: list[Any], found: list[Any]) -> tuple[int, float]:
    """How many questions' answers differ, and the largest difference of a score of those that do not; shows the former.

    The old pipeline gives a list only where there are several answers.
    """
    num_different, largest = 0, 0.0
    for number, (old, ours) in enumerate(zip(expected, found, strict=True)):
        old, ours = (answers if isinstance(answers, list) else [answers] for answers in (old, ours))
        if [_place(answer) for answer in old] != [_place(answer) for answer in ours]:
            num_different += 1
            say(f"question {number}: {old} {ours}")
        else:
            largest = max(largest, *(abs(a["score"] - b["score"]) for a, b in zip(old, ours, strict=True)))
    return num_different, largest


def _place(answer: dict[str, Any]) -> tuple[str, int, int]:
    return answer["answer"], answer["start"], answer["end"]


def _throughput(
    args: argparse.Namespace, old: Old, ours: Sequence[QuestionAnswerer], questions: list[str], contexts: list[str]
) -> list[float]:
    """Median seconds of each way, in turn, after a few questions to warm up; none without repeats."""

    def new(number: int, count: int) -> float:
        started = time.perf_counter()
        ours[number](question=questions[:count], context=contexts[:count])
        return time.perf_counter() - started

    ways: list[Callable[[int], float]] = [
        lambda count: float(old(questions[:count], contexts[:count], {})[0]),
        *(partial(new, number) for number in range(len(ours))),
    ]
    for way in ways:
        way(8)
    times = [[way(len(questions)) for way in ways] for _ in range(args.repeats)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def _report(
    args: argparse.Namespace,
    old: Old,
    differences: dict[str, tuple[int, float]],
    coarsely: tuple[int, float],
    seconds: Sequence[float],
) -> None:
    count = args.num_questions
    rows = [["", "questions/s", "seconds", "ratio"]]
    record: dict[str, Any] = {"benchmark": "ask", "questions": count, "threads": args.threads}
    names = (f"transformers {old.versions['transformers']} pipeline", "Spanline", "Spanline, bfloat16")
    for key, name, time_s in zip(("old", "spanline", "bfloat16"), names, seconds, strict=False):
        ratio = seconds[0] / time_s
        rows.append([name, f"{count / time_s:.1f}", f"{time_s:.2f}", f"{ratio:.2f} x"])
        record |= {f"{key}_s": round(time_s, 3), f"{key}_ratio": round(ratio, 3)}
    rows.append(
        ["bfloat16: answers that differ, largest difference of a score", f"{coarsely[0]}", f"{coarsely[1]:.1e}", ""]
    )
    record |= {"bfloat16_different_answers": coarsely[0], "bfloat16_largest_difference": coarsely[1]}
    for name, (num_different, largest) in differences.items():
        verdict = "" if num_different == 0 and largest <= LIMIT else "MORE THAN ALLOWED"
        rows.append([f"{name}: answers that differ, largest difference", f"{num_different}", f"{largest:.1e}", ""])
        rows[-1][0] += f" {verdict}".rstrip()
        record[f"different_answers, {name}"], record[f"largest_difference, {name}"] = num_different, largest
    record |= {"old": old.versions, "repeats": args.repeats, **machine.facts("torch", "tokenizers", "numpy")}
    machine.show(rows, record)


if __name__ == "__main__":
    main()

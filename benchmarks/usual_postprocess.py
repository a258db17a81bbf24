"""The usual post-processing as a program, for `benchmarks.answers`: a `datasets` folder of features, arrays of logits.

The loop that came with Hugging Face's question-answering examples, restated in our own words: question by question,
each of its features fetched from the dataset, the 20 best starts x the 20 best ends; predictions, n-best and score
differences as indented JSON. It prints the seconds from its first read to its last write, imports left out.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from benchmarks.plain import Question, Window, files, search


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--squad", type=Path, required=True, help="parquet file of the split, in")
    parser.add_argument("--features", type=Path, required=True, help="folder of a saved dataset, in")
    parser.add_argument("--logits", type=Path, required=True, help=".npy of start and end logits (2, N, T), in")
    parser.add_argument("--out", type=Path, required=True, help="folder of answers, out")
    parser.add_argument("--n-best-size", type=int, required=True)
    parser.add_argument("--max-answer-length", type=int, required=True, help="tokens")
    parser.add_argument("--threshold", type=float, required=True, help="logits")
    args = parser.parse_args()

    started = time.perf_counter()
    examples = datasets.load_dataset("parquet", data_files=str(args.squad), split="train", cache_dir=str(args.out))
    features = datasets.load_from_disk(str(args.features))
    contents = make(examples, features, np.load(args.logits), args.n_best_size, args.max_answer_length, args.threshold)
    for name, content in contents.items():
        (args.out / name).write_text(content, encoding="utf-8")
    print(time.perf_counter() - started)


def make(
    examples: datasets.Dataset,
    features: datasets.Dataset,
    logits: np.ndarray[Any, Any],
    n_best_size: int,
    max_answer_length: int,
    threshold: float,
) -> dict[str, str]:
    """The contents of the files. `logits` (2, N, T)."""
    start_logits, end_logits = logits
    rows_of = defaultdict(list)
    for row, example_id in enumerate(features["example_id"]):
        rows_of[example_id].append(row)
    answers = []
    for example in examples:
        windows = []
        for row in rows_of[example["id"]]:
            feature = features[row]
            offsets = [tuple(pair) if pair else None for pair in feature["offset_mapping"]]
            windows.append(Window(offsets, start_logits[row], end_logits[row], feature["null_position"]))
        question = Question(example["id"], example["context"], windows)
        answers += search([question], n_best_size, max_answer_length)
    return files(answers, threshold)


if __name__ == "__main__":
    main()

"""The usual way to features, for `benchmarks.featurize`.

`datasets.map(batched=True)` over the tokenizer's strided call, every feature padded to max_length, labels in a Python
loop: the recipe of Hugging Face's course and question-answering examples, restated in our own words. The result stays
in the Arrow file that `map` writes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import datasets
from transformers import AutoTokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--squad", type=Path, required=True, help="parquet file of a split, in")
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder of the encoder, in")
    parser.add_argument("--out", type=Path, required=True, help="folder of the Arrow files, out")
    parser.add_argument("--max-length", type=int, required=True, help="tokens of a feature")
    parser.add_argument("--doc-stride", type=int, required=True, help="tokens that neighbouring features share")
    parser.add_argument("--num-proc", type=int, help="worker processes of map; none if not given")
    args = parser.parse_args()

    tokenizer = AutoTokenizer.from_pretrained(args.checkpoint, trust_remote_code=False)
    split = datasets.load_dataset("parquet", data_files=str(args.squad), split="train", cache_dir=str(args.out / "in"))

    def prepare(examples: dict[str, list[Any]]) -> dict[str, Any]:
        return featurize(examples, tokenizer, args.max_length, args.doc_stride)

    file = str(args.out / "features.arrow")
    features = split.map(
        prepare, batched=True, remove_columns=split.column_names, num_proc=args.num_proc, cache_file_name=file
    )
    print(len(features))


def featurize(examples: dict[str, list[Any]], tokenizer: Any, max_length: int, doc_stride: int) -> dict[str, Any]:
    """Token ids, masks and labels of a batch of questions; a feature that does not hold the answer points to [CLS]."""
    encoded = tokenizer(
        [question.lstrip() for question in examples["question"]],
        examples["context"],
        truncation="only_second",
        max_length=max_length,
        stride=doc_stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        padding="max_length",
    )
    example_of = encoded.pop("overflow_to_sample_mapping")
    all_offsets = encoded.pop("offset_mapping")
    starts, ends = [], []
    for number, offsets in enumerate(all_offsets):
        null = encoded["input_ids"][number].index(tokenizer.cls_token_id)
        start, end = label(offsets, encoded.sequence_ids(number), examples["answers"][example_of[number]], null)
        starts.append(start)
        ends.append(end)
    return {**encoded, "start_positions": starts, "end_positions": ends}


def label(
    offsets: list[tuple[int, int]], sequence_ids: list[int | None], answers: dict[str, list[Any]], null: int
) -> tuple[int, int]:
    """Walk from both ends of the context towards the answer."""
    if not answers["text"]:
        return null, null
    answer_start = answers["answer_start"][0]
    answer_end = answer_start + len(answers["text"][0])
    first, last = 0, len(sequence_ids) - 1
    while sequence_ids[first] != 1:
        first += 1
    while sequence_ids[last] != 1:
        last -= 1
    if offsets[first][0] > answer_start or offsets[last][1] < answer_end:
        return null, null
    while first < len(offsets) and offsets[first][0] <= answer_start:
        first += 1
    while offsets[last][1] >= answer_end:
        last -= 1
    return first - 1, last + 1


if __name__ == "__main__":
    main()

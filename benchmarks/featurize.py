"""Features the usual way against the featurize stage: time, peak memory and bytes on disk, in one run.

Each way is a command of its own, start-up included, on the same split: `benchmarks.usual_features` (`datasets.map`) and
`stages.featurize`.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks import machine
from benchmarks.machine import Usage
from spanline.common.params import read_yaml
from spanline.dataset import splits
from spanline.dataset.records import Example, GoldAnswer
from spanline.download import formats
from spanline.storage import features
from spanline.synthetic import corpus


@dataclass(frozen=True)
class Way:
    """One of the ways: its name, its command for a split and a folder, and the bytes that it leaves there."""

    name: str
    command: Callable[[Path, Path], list[str]]
    bytes_of: Callable[[Path], int]


def main() -> None:
    args = _arguments()
    rows = [["", "seconds", "features/s", "peak MiB", "MiB on disk"]]
    records: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        for name, split in _splits(args, Path(folder)):
            records.append(_compare(name, split, _ways(args), Path(folder), args.repeats))
            rows += _rows(records[-1])
            split.unlink()
    facts = machine.facts("datasets", "tokenizers", "pyarrow", "transformers")
    machine.show(rows, {"benchmark": "featurize", "splits": records, **facts})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="its section featurize is used")
    parser.add_argument("--checkpoint", type=Path, default=Path("data/checkpoint"), help="folder of the encoder")
    parser.add_argument("--squad", type=Path, help="official JSON file to cut too, such as train-v2.0.json")
    parser.add_argument("--questions", type=int, default=130_319, help="of the synthetic split of size 1")
    parser.add_argument("--sizes", type=int, nargs="*", default=[1, 4, 16], help="of the synthetic splits")
    parser.add_argument("--long", type=float, default=5, help="million characters of one long context; 0 leaves it out")
    parser.add_argument("--num-proc", type=int, help="worker processes of datasets.map; none if not given")
    parser.add_argument("--scratch", type=Path, help="folder for some GB of temporary files")
    parser.add_argument("--repeats", type=int, default=1, help="of each way, in turn; the median is shown")
    return parser.parse_args()


def _splits(args: argparse.Namespace, folder: Path) -> Any:
    path = folder / "split.parquet"
    if args.squad:
        splits.write(path, formats.read_official(args.squad, args.squad.name))
        yield args.squad.stem, path
    for size in args.sizes:
        splits.write(path, corpus.examples("train", seed=17, num_questions=size * args.questions))
        yield f"synthetic x {size}", path
    if args.long:
        splits.write(path, [_long(int(args.long * 1_000_000))])
        yield f"one context of {args.long:g} MB", path


def _long(characters: int) -> Example:
    """One question on one context: synthetic paragraphs, each once, one after another, and the last word as answer."""
    paragraphs = dict.fromkeys(e.context for e in corpus.examples("train", seed=17, num_questions=characters // 50))
    context = " ".join(paragraphs)[:characters].rstrip()
    answer = context.split()[-1]
    return Example("long", "long", context, "Who was it?", (GoldAnswer(answer, len(context) - len(answer)),))


def _ways(args: argparse.Namespace) -> list[Way]:
    section = read_yaml(args.params)["featurize"]
    lengths = ["--max-length", str(section["max_length"]), "--doc-stride", str(section["doc_stride"])]
    num_proc = ["--num-proc", str(args.num_proc)] if args.num_proc else []
    python, checkpoint = [sys.executable, "-m"], args.checkpoint

    def usual(split: Path, out: Path) -> list[str]:
        options = ["--squad", str(split), "--checkpoint", str(checkpoint), "--out", str(out), *lengths, *num_proc]
        return [*python, "benchmarks.usual_features", *options]

    def ours(split: Path, out: Path) -> list[str]:
        encoder = ["--tokenizer", str(checkpoint / "tokenizer.json"), "--config", str(checkpoint / "config.json")]
        options = ["--params", str(args.params), "--squad", str(split), *encoder, "--out", str(out / "features")]
        return [*python, "stages.featurize", *options]

    return [
        Way("datasets.map", usual, lambda out: sum(path.stat().st_size for path in out.glob("features*.arrow"))),
        Way("Spanline", ours, lambda out: sum(path.stat().st_size for path in (out / "features").iterdir())),
    ]


def _compare(name: str, split: Path, ways: list[Way], folder: Path, repeats: int) -> dict[str, Any]:
    used: dict[str, list[Usage]] = {way.name: [] for way in ways}
    sizes, counts = {}, {}
    for _ in range(repeats):
        for way in ways:
            out = folder / "out"
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            used[way.name].append(machine.measure(way.command(split, out)))
            sizes[way.name], counts[way.name] = way.bytes_of(out), _num_features(out)
    shutil.rmtree(folder / "out")
    if len(set(counts.values())) > 1:
        sys.exit(f"{name}: the ways made different numbers of features: {counts}")
    return {
        "split": name,
        "questions": sum(splits.group_sizes(split)),
        "features": next(iter(counts.values())),
        "ways": {
            way.name: {
                "seconds": round(statistics.median(usage.seconds for usage in used[way.name]), 2),
                "peak_mib": round(max(usage.peak_bytes for usage in used[way.name]) / 2**20),
                "disk_mib": round(sizes[way.name] / 2**20, 1),
            }
            for way in ways
        },
    }


def _num_features(out: Path) -> int:
    """Of either way's output."""
    if (out / "features").is_dir():
        return features.manifest(out / "features").rows
    files = out.glob("features*.arrow")
    return sum(batch.num_rows for file in files for batch in pa.ipc.open_stream(pa.memory_map(str(file))))


def _rows(record: dict[str, Any]) -> list[list[str]]:
    rows = [[f"{record['split']}: {record['questions']:,} questions, {record['features']:,} features", *[""] * 4]]
    for name, found in record["ways"].items():
        speed = record["features"] / found["seconds"]
        cells = [f"{found['seconds']:.1f}", f"{speed:,.0f}", f"{found['peak_mib']:,}", f"{found['disk_mib']:,.1f}"]
        rows.append([f"  {name}", *cells])
    usual, ours = record["ways"].values()
    rows.append(["  ratio", f"{usual['seconds'] / ours['seconds']:.1f} x", "", "", ""])
    return rows


if __name__ == "__main__":
    main()

"""The download stage's work: a source (the embedded corpus, files, the hub) becomes the three splits on disk."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from spanline import hub
from spanline.common.errors import SpanlineError
from spanline.common.files import sha256, to_json, write_text
from spanline.dataset import splits as split_files
from spanline.dataset.records import Example
from spanline.dataset.splits import Counts
from spanline.download import fetch, formats, sampling
from spanline.download.params import Download, FilesSource, HubDataset, SourceFile, SyntheticSource
from spanline.synthetic import corpus

Split = Literal["train", "calibration", "validation"]
SPLITS: tuple[Split, ...] = ("train", "calibration", "validation")
Opener = Callable[[], Iterator[Example]]  # opens a split anew each time


@dataclass(frozen=True)
class Source:
    """Where examples come from. `read` says what was read, by checksum, without paths of this machine."""

    splits: Mapping[Split, Opener]
    read: Mapping[str, Any]
    licence: str


def write_splits(settings: Download, folder: Path, progress_every_s: float) -> dict[Split, Counts]:
    """Write train, calibration and validation.parquet and dataset.json into `folder`; the counts per split.

    Raises SpanlineError for a mistake in the source and for an empty train or validation split.
    """
    with TemporaryDirectory(dir=folder) as downloads:
        source = _open(settings, Path(downloads), progress_every_s)
        splits = _with_calibration(source.splits, settings)
        counts = {split: _write_split(splits[split], split, settings, folder) for split in SPLITS}
    write_text(folder / "dataset.json", to_json(_description(settings, source, counts, folder)))
    return counts


def require_pins(settings: Download) -> None:
    """Refuse a file without a checksum, and say which to set: DVC tracks the pin, so no edit goes unnoticed."""
    if settings.source != "files":
        return
    for split, file in (("train", settings.files.train), ("validation", settings.files.validation)):
        path = fetch.local_path(file.path)
        if file.sha256 is None and path is not None and path.is_file():
            what = f"download.files.{split}.sha256 is null, so an edit of {file.path} would go unnoticed"
            raise SpanlineError("params.yaml", what, f"set it to {sha256(path)}")


def _open(settings: Download, downloads: Path, progress_every_s: float) -> Source:
    if settings.source == "synthetic":
        return _synthetic(settings.synthetic)
    if settings.source == "files":
        return _files(settings.files, downloads, progress_every_s)
    return _hub(settings.hub)


def _synthetic(settings: SyntheticSource) -> Source:
    sizes = (settings.train_questions, settings.calibration_questions, settings.validation_questions)
    openers = {split: _synthetic_opener(split, settings.seed, size) for split, size in zip(SPLITS, sizes, strict=True)}
    return Source(openers, settings.model_dump(), "made by Spanline from a seed; no text of anyone else")


def _synthetic_opener(split: Split, seed: int, size: int) -> Opener:
    return lambda: corpus.examples(split, seed, size) if size else iter(())


def _files(settings: FilesSource, downloads: Path, progress_every_s: float) -> Source:
    splits: dict[Split, Opener] = {}
    read: dict[str, Any] = {}
    given: dict[Split, SourceFile] = {"train": settings.train, "validation": settings.validation}
    for split, file in given.items():
        local = fetch.fetch(file.path, file.sha256, downloads / split, progress_every_s)
        kind = _format(settings.format, local)
        splits[split] = _file_opener(kind, local, fetch.without_secrets(file.path))
        read[split] = {"file": fetch.public_name(file.path), "format": kind, "sha256": sha256(local)}
    return Source(splits, read, settings.licence)


_FORMATS = {".json": "squad", ".jsonl": "jsonl", ".parquet": "parquet"}


def _format(name: str, path: Path) -> str:
    if name != "auto":
        return name
    if path.suffix not in _FORMATS:
        todo = f"set download.files.format to {', '.join(_FORMATS.values())}"
        raise SpanlineError(path.name, f"its name ends in none of {', '.join(_FORMATS)}", todo)
    return _FORMATS[path.suffix]


def _file_opener(kind: str, path: Path, origin: str) -> Opener:
    if kind == "jsonl":
        return lambda: formats.read_jsonl(path, origin)
    if kind == "parquet":
        return lambda: formats.read_parquet(path, origin)
    # official JSON is parsed in memory anyway, so the examples stay there: they are read up to three times
    load = functools.cache(lambda: list(formats.read_official(path, origin)))
    return lambda: iter(load())


def _hub(settings: HubDataset) -> Source:
    dataset = hub.load_dataset(settings.name, settings.revision)
    openers: dict[Split, Opener] = {}
    read: dict[str, Any] = {"name": settings.name, "revision": settings.revision}
    rows = settings.rows.model_dump() if settings.rows else {}
    hub_splits: tuple[Split, ...] = ("train", "validation")
    for split in hub_splits:
        place = f"{settings.name} at {settings.revision}"
        _check_hub_split(dataset, split, rows.get(split), place)
        openers[split] = _hub_opener(dataset[split], f"{place}, {split}")
        read[split] = {"records_sha256": formats.records_sha256(openers[split]())}
    return Source(openers, read, settings.licence)


def _check_hub_split(dataset: Any, split: str, expected: int | None, place: str) -> None:
    if split not in dataset:
        todo = "name a data set that has both train and validation"
        raise SpanlineError(place, f"has no split '{split}', only {', '.join(dataset)}", todo)
    formats.check_columns(dataset[split].column_names, f"{place}, {split}")
    found = dataset[split].num_rows
    if expected is not None and found != expected:
        todo = "check name and revision, or set download.hub.rows if you trust it"
        raise SpanlineError(place, f"{split} has {found:,} rows, expected {expected:,}", todo)


def _hub_opener(dataset: Any, origin: str) -> Opener:
    return lambda: formats.from_batches(dataset.with_format("arrow").iter(split_files.ROWS_PER_GROUP), origin)


def _with_calibration(splits: Mapping[Split, Opener], settings: Download) -> Mapping[Split, Opener]:
    """Split calibration off train by article, before any limit: so it is the same whatever train's limit is."""
    if "calibration" in splits:
        return splits
    if not settings.calibration_fraction:
        return {**splits, "calibration": lambda: iter(())}
    sizes = sampling.article_sizes(splits["train"]())
    questions = round(settings.calibration_fraction * sizes.total())
    titles = sampling.choose_articles(sizes, questions, settings.seed, "calibration")
    return {
        "train": lambda: sampling.leave(splits["train"](), titles),
        "calibration": lambda: sampling.keep(splits["train"](), titles),
        "validation": splits["validation"],
    }


def _write_split(open_split: Opener, split: Split, settings: Download, folder: Path) -> Counts:
    counts = split_files.write(folder / f"{split}.parquet", _limited(open_split, split, settings))
    if not counts.questions and split != "calibration":
        todo = "bring more articles, or lower download.calibration_fraction (0 = no calibration split)"
        raise SpanlineError(f"split {split}", "is empty", todo)
    return counts


def _limited(open_split: Opener, split: Split, settings: Download) -> Iterable[Example]:
    limit: int | None = getattr(settings.limits, split)
    if limit is None:
        return open_split()
    titles = sampling.choose_articles(sampling.article_sizes(open_split()), limit, settings.seed, "limit")
    return sampling.keep(open_split(), titles)


def _description(settings: Download, source: Source, counts: dict[Split, Counts], folder: Path) -> dict[str, Any]:
    return {
        "source": settings.source,
        "read": source.read,
        "licence": source.licence,
        "seed": settings.seed,
        "limits": settings.limits.model_dump(),
        "calibration_fraction": None if settings.source == "synthetic" else settings.calibration_fraction,
        "splits": {split: {**asdict(counts[split]), "sha256": sha256(folder / f"{split}.parquet")} for split in SPLITS},
    }

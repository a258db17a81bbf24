"""Where questions come from (the embedded corpus, files, the hub), as splits that can be read several times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from spanline import hub
from spanline.common.errors import SpanlineError, without_secrets
from spanline.common.files import sha256
from spanline.dataset import splits as split_files
from spanline.dataset.records import Example
from spanline.download import fetch, formats
from spanline.download.checking.checks import Checker, checked
from spanline.download.checking.flaws import Flaw, Found, Policy, RefusedError
from spanline.download.checking.raw import Raw, no_garbage_collection
from spanline.download.params import Download, FilesSource, HubDataset, SourceFile, SyntheticSource
from spanline.download.readers import flat, kind, tables
from spanline.synthetic import corpus

Split = Literal["train", "calibration", "validation"]
SPLITS: tuple[Split, ...] = ("train", "calibration", "validation")
SQUAD_LICENCE = "CC BY-SA 4.0 (Rajpurkar et al. 2016, 2018)"
OFFICIAL_SHA256 = {  # of train-v2.0.json and dev-v2.0.json, whose licence their makers state
    "68dcfbb971bd3e96d5b46c7177b16c1a4e7d4bdef19fb204502738552dede002",
    "80a5225e94905956a6446d296ca1093975c4d3b3260f1d6c8f68bc2ab77182d8",
}
OFFICIAL_HUB_NAME = "rajpurkar/squad_v2"
Opener = Callable[[], Iterator[Example]]  # opens a split anew each time


@dataclass
class Reading:
    """A split of files or of the hub, which can be read several times; every record is checked each time."""

    records: Callable[[], Iterator[Raw | Flaw]]
    origin: str  # what the user knows it by
    policy: Policy
    keep: bool  # the examples stay in memory: of a format that is parsed whole anyway
    found: Found | None = None  # by the last reading that came to its end
    _kept: list[Example] | None = None

    def __call__(self) -> Iterator[Example]:
        if not self.keep:
            return self._checked()
        if self._kept is None:
            with no_garbage_collection():
                self._kept = list(self._checked())
        return iter(self._kept)

    def _checked(self) -> Iterator[Example]:
        checker = Checker(self.origin, self.policy)
        try:
            yield from checked(self.records(), checker)
        except RefusedError:
            self.found = checker.found
            raise
        self.found = checker.found

    def finish(self) -> None:
        """Read to the end, for what it finds, if no reading has come to its end yet."""
        if self.found is None:
            with suppress(RefusedError):
                for _ in self():
                    pass


@dataclass(frozen=True)
class Source:
    """Where examples come from. `read` says what was read, by checksum, without paths of this machine."""

    splits: Mapping[Split, Opener]
    read: Mapping[str, Any]
    licence: str | None
    hash_records: bool = False  # `read` holds no checksum of each split yet

    def readings(self) -> dict[str, Reading]:
        return {split: opener for split, opener in self.splits.items() if isinstance(opener, Reading)}

    def found(self) -> dict[str, Found]:
        """What was found by split as the source has it, calibration still a part of train."""
        return {split: reading.found for split, reading in self.readings().items() if reading.found is not None}


def require_pins(settings: Download) -> None:
    """Refuse a file without a checksum, and say which to set: DVC tracks the pin, so no edit goes unnoticed."""
    if settings.source != "files":
        return
    for split, file in (("train", settings.files.train), ("validation", settings.files.validation)):
        path = fetch.local_path(file.path)
        if file.sha256 is None and path is not None and fetch.is_file(path):
            kind.check_is_data(path, file.path)
            what = f"download.files.{split}.sha256 is null, so an edit of {file.path} would go unnoticed"
            raise SpanlineError("params.yaml", what, f"set it to {sha256(path)}")


def open_source(settings: Download, downloads: Path, progress_every_s: float) -> Source:
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
    limits = fetch.Limits(settings.allow_http, settings.max_bytes, progress_every_s)
    for split, file in given.items():
        local = fetch.fetch(file.path, file.sha256, downloads / split, limits)
        kind.check_is_data(local, file.path)
        format_ = kind.format_of(local, settings.format, file.path)
        splits[split] = _file_reading(format_, local, without_secrets(file.path), settings.flaws)
        read[split] = {"file": fetch.public_name(file.path), "format": format_, "sha256": sha256(local)}
    refuse_same(read["train"], read["validation"], "sha256", "download.files")
    known = {read["train"]["sha256"], read["validation"]["sha256"]} <= OFFICIAL_SHA256
    return Source(splits, read, settings.licence or (SQUAD_LICENCE if known else None))


def _file_reading(format_: str, path: Path, origin: str, policy: Policy) -> Reading:
    return Reading(lambda: formats.READERS[format_](path, origin), origin, policy, keep=format_ in ("squad", "flat"))


def refuse_same(train: Mapping[str, Any], validation: Mapping[str, Any], key: str, place: str) -> None:
    """Scores on what was trained on say nothing."""
    if train[key] == validation[key]:
        what = "train and validation are the same questions, so every score would be of what was trained on"
        raise SpanlineError(place, what, "give validation a file of its own")


def _hub(settings: HubDataset) -> Source:
    dataset = hub.load_dataset(settings.name, settings.revision)
    openers: dict[Split, Opener] = {}
    read: dict[str, Any] = {"name": settings.name, "revision": settings.revision}
    rows = settings.rows.model_dump() if settings.rows else {}
    hub_splits: tuple[Split, ...] = ("train", "validation")
    for split in hub_splits:
        place = f"{settings.name} at {settings.revision}"
        _check_hub_split(dataset, split, rows.get(split), place)
        openers[split] = _hub_reading(dataset[split], f"{place}, {split}", settings.flaws)
    licence = settings.licence or (SQUAD_LICENCE if settings.name == OFFICIAL_HUB_NAME else None)
    return Source(openers, read, licence, hash_records=True)


def _check_hub_split(dataset: Any, split: str, expected: int | None, place: str) -> None:
    if split not in dataset:
        todo = "name a data set that has both train and validation"
        raise SpanlineError(place, f"has no split '{split}', only {', '.join(dataset)}", todo)
    flat.check_columns(dataset[split].column_names, f"{place}, {split}")
    found = dataset[split].num_rows
    if expected is not None and found != expected:
        todo = "check name and revision, or set download.hub.rows if you trust it"
        raise SpanlineError(place, f"{split} has {found:,} rows, expected {expected:,}", todo)


def _hub_reading(dataset: Any, origin: str, policy: Policy) -> Reading:
    return Reading(
        lambda: tables.from_batches(dataset.with_format("arrow").iter(split_files.ROWS_PER_GROUP), origin),
        origin,
        policy,
        keep=False,
    )

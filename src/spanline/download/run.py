"""The download stage's work: a source (the embedded corpus, files, the hub) becomes the three splits on disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from spanline.common.errors import SpanlineError
from spanline.common.files import sha256, to_json, write_text
from spanline.dataset import splits as split_files
from spanline.dataset.records import Example
from spanline.dataset.splits import Counts
from spanline.download import formats, sampling
from spanline.download.checking import flaws
from spanline.download.params import Download
from spanline.download.sampling import Unit
from spanline.download.sources import SPLITS, Opener, Source, Split, open_source, refuse_same
from spanline.download.statistics import Statistics
from spanline.download.survey import Survey

FLAWS = "flaws.csv"  # beside the splits, if anything was repaired or dropped
HOLDS = ("*.parquet", "*.json", FLAWS)
PAIRS: tuple[tuple[Split, Split], ...] = (
    ("train", "validation"),
    ("train", "calibration"),
    ("calibration", "validation"),
)


@dataclass(frozen=True)
class Written:
    """What came of the stage."""

    counts: dict[Split, Counts]
    notes: list[str] = field(default_factory=list)  # lines for the person who runs it


@dataclass(frozen=True)
class Parted:
    """The three splits, calibration parted from train."""

    splits: Mapping[Split, Opener]
    unit: Unit | None  # what was kept whole; None where nothing was parted
    notes: list[str] = field(default_factory=list)


def write_splits(settings: Download, folder: Path, flaws_path: Path, progress_every_s: float) -> Written:
    """Write train, calibration and validation.parquet, dataset.json, statistics.json and any flaws.csv to `folder`.

    Raises SpanlineError for a mistake in the source and for an empty train or validation split. Where several flawed
    questions are refused, `flaws_path` lists them; it is removed otherwise.
    """
    flaws_path.unlink(missing_ok=True)
    with TemporaryDirectory(dir=folder) as downloads:
        source = open_source(settings, Path(downloads), progress_every_s)
        try:
            return _write_all(settings, source, folder)
        except flaws.RefusedError:
            for reading in source.readings().values():
                reading.finish()  # so that the list is whole
            raise flaws.refusal(source.found(), flaws_path) from None


def _write_all(settings: Download, source: Source, folder: Path) -> Written:
    parted = _with_calibration(source.splits, settings)
    surveys, statistics = {split: Survey() for split in SPLITS}, {split: Statistics() for split in SPLITS}
    counts = {}
    for split in SPLITS:
        examples = _limited(parted.splits[split], split, settings)
        counts[split] = _write_split(statistics[split].watch(surveys[split].watch(examples)), split, folder)
    content: dict[str, Any] = {
        "source": settings.source,
        "read": _read(source),
        "licence": source.licence,
        "seed": settings.seed,
        "limits": settings.limits.model_dump(),
        "calibration_fraction": None if settings.source == "synthetic" else settings.calibration_fraction,
        "calibration_unit": parted.unit,
        "splits": {split: _split_facts(folder / f"{split}.parquet", counts[split], surveys[split]) for split in SPLITS},
        "shared": {f"{one}_and_{other}": surveys[one].shared(surveys[other]) for one, other in PAIRS},
        "flaws": {split: found.facts() for split, found in source.found().items()} or None,
    }
    write_text(folder / "dataset.json", to_json(content))
    write_text(folder / "statistics.json", to_json({split: found.summary() for split, found in statistics.items()}))
    if any(found.flaws for found in source.found().values()):
        flaws.write(folder / FLAWS, source.found())
    return Written(counts, [*parted.notes, *_flaw_notes(source), *_survey_notes(content)])


def _read(source: Source) -> dict[str, Any]:
    """What was read, by checksum."""
    if not source.hash_records:
        return dict(source.read)
    hashes: dict[str, Any] = {
        split: {"records_sha256": formats.records_sha256(open_())} for split, open_ in source.splits.items()
    }
    refuse_same(hashes["train"], hashes["validation"], "records_sha256", str(source.read["name"]))
    return {**source.read, **hashes}


def _split_facts(path: Path, counts: Counts, survey: Survey) -> dict[str, Any]:
    return {**asdict(counts), **survey.counts(), "sha256": sha256(path)}


def _flaw_notes(source: Source) -> list[str]:
    notes = []
    for split, found in source.found().items():
        done = [f"{found.questions[how]:,} {how}" for how in ("repaired", "dropped") if found.questions[how]]
        if done:
            kinds = ", ".join(f"{sum(by.values()):,} {kind}" for kind, by in found.by_kind().items())
            notes.append(f"{split}: {' and '.join(done)} for flaws ({kinds}); {FLAWS} beside the splits lists them")
        if found.made_titles:
            notes.append(f"{split}: has no titles, so each context counts as an article of its own")
    if source.readings() and source.licence is None:
        notes.append("licence: not stated; `licence` of the source in params.yaml takes it")
    return notes


def _survey_notes(content: Mapping[str, Any]) -> list[str]:
    notes = []
    for split, facts in content["splits"].items():
        if facts["repeated_questions"]:
            what = f"{facts['repeated_questions']:,} questions come again in their context"
            notes.append(f"{split}: {what}, {facts['contradicting_questions']:,} of them with a contradicting label")
    for pair, shared in content["shared"].items():
        if any(shared.values()):
            what = f"{shared['contexts']:,} contexts and {shared['articles']:,} articles (by title)"
            notes.append(f"{pair.replace('_', ' ')} share {what}")
    return notes


def _with_calibration(splits: Mapping[Split, Opener], settings: Download) -> Parted:
    """Split calibration off train, before any limit: so it is the same whatever train's limit is.

    Whole articles go, as near the fraction as they allow; contexts where that is less than half of it (or nothing).
    """
    if "calibration" in splits:
        return Parted(splits, None)
    if not settings.calibration_fraction:
        return Parted({**splits, "calibration": lambda: iter(())}, None)
    units: tuple[Unit, ...] = ("article", "context")
    tried = []
    for unit in units:
        sizes = sampling.sizes(splits["train"](), unit)
        questions = settings.calibration_fraction * sizes.total()
        chosen = sampling.choose_part(sizes, questions, settings.seed)
        tried.append((sum(sizes[name] for name in chosen), unit, chosen))
        if tried[-1][0] >= questions / 2:
            break
    found, unit, chosen = max(tried, key=lambda one: (one[0], one[1] == "article"))
    if not found:
        raise _no_calibration(questions, sizes)
    notes = [] if unit == "article" else ["calibration: split off by context, since whole articles are too large"]
    if found < questions / 2:
        notes.append(
            f"calibration: {found:,} questions instead of {questions:,.0f}, the nearest that whole {unit}s allow"
        )
    return Parted(_parted(splits, chosen, unit), unit, notes)


def _parted(splits: Mapping[Split, Opener], chosen: frozenset[str], unit: Unit) -> dict[Split, Opener]:
    return {
        "train": lambda: sampling.leave(splits["train"](), chosen, unit),
        "calibration": lambda: sampling.keep(splits["train"](), chosen, unit),
        "validation": splits["validation"],
    }


def _no_calibration(questions: float, sizes: Mapping[str, int]) -> SpanlineError:
    what = f"no part of its {len(sizes):,} contexts has between 1 and {int(2 * questions):,} questions"
    todo = "bring more contexts, or raise download.calibration_fraction (0 = no calibration split)"
    return SpanlineError("split train", what, todo)


def _write_split(examples: Iterable[Example], split: Split, folder: Path) -> Counts:
    counts = split_files.write(folder / f"{split}.parquet", examples)
    if not counts.questions and split != "calibration":
        todo = "bring more articles, or lower download.calibration_fraction (0 = no calibration split)"
        raise SpanlineError(f"split {split}", "is empty", todo)
    return counts


def _limited(open_split: Opener, split: Split, settings: Download) -> Iterable[Example]:
    limit: int | None = getattr(settings.limits, split)
    if limit is None:
        return open_split()
    titles = sampling.choose_articles(sampling.sizes(open_split()), limit, settings.seed, "limit")
    return sampling.keep(open_split(), titles)

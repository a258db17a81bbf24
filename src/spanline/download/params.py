"""Section `download` of params.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spanline.common.params import Revision, Section, Sha256
from spanline.download.checking.flaws import Policy


class SyntheticSource(Section):
    """The corpus that Spanline makes itself; it ends with a whole article, so a split holds a few questions more."""

    seed: int
    train_questions: Annotated[int, Field(ge=1)]
    calibration_questions: Annotated[int, Field(ge=0)]  # 0 = no calibration split
    validation_questions: Annotated[int, Field(ge=1)]


class SourceFile(Section):
    """One file: a path, or a file://, http:// or https:// URL."""

    path: str
    sha256: Sha256 | None  # null: the stage refuses, and says what to put here


class FilesSource(Section):
    """SQuAD as files."""

    train: SourceFile
    validation: SourceFile
    format: Literal["auto", "squad", "flat", "jsonl", "csv", "parquet"]  # auto = by content, else by the name's end
    flaws: Policy  # what happens to questions that are flawed
    licence: str | None  # recorded in dataset.json; null: none is assumed, but the official files are known
    allow_http: bool  # false: a URL is https:// or file://, and so is what it redirects to
    max_bytes: Annotated[int, Field(ge=1)]  # of a download


class Rows(Section):
    """Questions a split, as the hub's page states them."""

    train: Annotated[int, Field(ge=1)]
    validation: Annotated[int, Field(ge=1)]


class HubDataset(Section):
    """A data set of the Hugging Face hub in squad_v2's layout."""

    name: str
    revision: Revision
    rows: Rows | None  # checked; null = unchecked
    flaws: Policy  # what happens to questions that are flawed
    licence: str | None  # recorded in dataset.json; null: none is assumed, but rajpurkar/squad_v2's is known


class Limits(Section):
    """At most so many questions a split, whole articles; null = all."""

    train: Annotated[int, Field(ge=1)] | None
    calibration: Annotated[int, Field(ge=1)] | None
    validation: Annotated[int, Field(ge=1)] | None


class Download(Section):
    """Section `download`."""

    source: Literal["synthetic", "files", "hub"]
    seed: int  # chooses the articles of limits and of the calibration split
    limits: Limits
    calibration_fraction: Annotated[float, Field(ge=0, lt=1)]  # of train's questions; synthetic makes its own split
    synthetic: SyntheticSource
    files: FilesSource
    hub: HubDataset

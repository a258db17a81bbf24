"""Every source ends as the same three splits; limits and the calibration split take whole articles, reproducibly."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from spanline.common.errors import SpanlineError
from spanline.common.files import sha256
from spanline.common.params import check
from spanline.dataset import splits as split_files
from spanline.dataset.records import Example
from spanline.download import formats, run, sources
from spanline.download.params import Download
from tests.make.foreign import tiny_again
from tests.paths import TINY

TRAIN = [TINY]  # of other bytes than TINY, which is validation; made below
FILES = {"train.parquet", "calibration.parquet", "validation.parquet", "dataset.json", "statistics.json"}


@pytest.fixture(autouse=True, scope="module")
def _train_file(tmp_path_factory: pytest.TempPathFactory) -> None:
    TRAIN[0] = tiny_again(tmp_path_factory.mktemp("train"))


def settings(source: str, **changes: Any) -> Download:
    content: dict[str, Any] = {
        "source": source,
        "seed": 17,
        "limits": {"train": None, "calibration": None, "validation": None},
        "calibration_fraction": 0.3,
        "synthetic": {"seed": 5, "train_questions": 150, "calibration_questions": 60, "validation_questions": 60},
        "files": {
            "train": {"path": str(TRAIN[0]), "sha256": None},
            "validation": {"path": TINY.as_uri(), "sha256": sha256(TINY)},
            "format": "auto",
            "flaws": "refuse",
            "licence": "ours",
            "allow_http": False,
            "max_bytes": 1_000_000,
        },
        "hub": {"name": "a/b", "revision": "0" * 40, "rows": None, "flaws": "refuse", "licence": "theirs"},
    }
    for key, value in changes.items():
        target, *keys = content, *key.split("__")
        for part in keys[:-1]:
            target = target[part]
        target[keys[-1]] = value
    return check(Path("params.yaml"), "download", content, Download)


def written(folder: Path, given: Download) -> dict[str, list[Example]]:
    folder.mkdir()
    counts = run.write_splits(given, folder, folder.parent / "flaws.csv", 5.0).counts
    assert {path.name for path in folder.iterdir()} == FILES
    found = {split: list(split_files.read(folder / f"{split}.parquet")) for split in run.SPLITS}
    assert {split: counts.questions for split, counts in counts.items()} == {s: len(e) for s, e in found.items()}
    return found  # type: ignore[return-value]


def titles(split: list[Example]) -> set[str]:
    return {example.title for example in split}


def test_files_split_calibration_off_train_by_article(tmp_path: Path) -> None:
    tiny = list(formats.read_official(TINY, str(TINY)))
    splits = written(tmp_path / "out", settings("files"))
    assert splits["validation"] == tiny
    assert splits["calibration"]
    assert not titles(splits["train"]) & titles(splits["calibration"])
    assert sorted(splits["train"] + splits["calibration"], key=tiny.index) == tiny
    assert splits["train"] == sorted(splits["train"], key=tiny.index)


def test_fraction_zero_writes_an_empty_calibration_split(tmp_path: Path) -> None:
    splits = written(tmp_path / "out", settings("files", calibration_fraction=0.0))
    assert splits["calibration"] == []
    assert len(splits["train"]) == 39


def test_limits_leave_the_calibration_split_alone(tmp_path: Path) -> None:
    whole = written(tmp_path / "whole", settings("files"))
    limited = written(tmp_path / "limited", settings("files", limits__train=15, limits__validation=10))
    assert limited["calibration"] == whole["calibration"]
    assert 0 < len(limited["train"]) <= 15
    assert titles(limited["train"]) < titles(whole["train"])
    for split in ("train", "validation"):
        whole_articles = [example for example in whole[split] if example.title in titles(limited[split])]
        assert limited[split] == whole_articles


@pytest.mark.parametrize("source", ["synthetic", "files"])
def test_same_bytes_twice(tmp_path: Path, source: str) -> None:
    for name in ("one", "two"):
        written(tmp_path / name, settings(source, limits__train=25))
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_same_files_elsewhere_give_the_same_bytes(tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / TRAIN[0].name
    copy.parent.mkdir()
    copy.write_bytes(TRAIN[0].read_bytes())
    written(tmp_path / "one", settings("files"))
    written(tmp_path / "two", settings("files", files__train={"path": str(copy), "sha256": None}))
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_all_formats_give_the_same_splits(tmp_path: Path) -> None:
    tiny = list(formats.read_official(TINY, str(TINY)))
    split_files.write(tmp_path / "tiny.parquet", tiny)
    rows = split_files.to_table(tiny).to_pylist()
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (tmp_path / "tiny.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "tiny.json").write_text(json.dumps({"data": rows}), encoding="utf-8")
    write_csv(tmp_path / "tiny.csv", rows)
    expected = written(tmp_path / "json", settings("files"))
    for name in ("tiny.parquet", "tiny.jsonl", "tiny.json", "tiny.csv"):
        file = {"path": str(tmp_path / name), "sha256": None}
        assert written(tmp_path / name.replace(".", "-"), settings("files", files__train=file)) == expected
        given = settings("files", files__validation=file)
        assert written(tmp_path / name.replace(".", "+"), given)["validation"] == tiny


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    """As a spreadsheet saves it, the answers as JSON."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "answers": json.dumps(row["answers"])} for row in rows)


def test_the_format_is_known_by_content_or_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "tiny"
    path.write_bytes(TINY.read_bytes() + b" ")
    file = {"path": str(path), "sha256": None}
    for name in ("auto", "squad"):
        given = settings("files", files__train=file, files__format=name)
        assert written(tmp_path / name, given) == written(tmp_path / f"{name}-json", settings("files"))


def test_dataset_json_of_files(tmp_path: Path) -> None:
    written(tmp_path / "out", settings("files"))
    text = (tmp_path / "out" / "dataset.json").read_text(encoding="utf-8")
    content = json.loads(text)
    assert str(TINY.parent) not in text
    assert content["read"] == {
        "train": {"file": "tiny-again.json", "format": "squad", "sha256": sha256(TRAIN[0])},
        "validation": {"file": "tiny-squad.json", "format": "squad", "sha256": sha256(TINY)},
    }
    assert (content["source"], content["licence"], content["calibration_fraction"]) == ("files", "ours", 0.3)
    assert content["splits"]["validation"] == {
        "articles": 4,
        "questions": 39,
        "answerable": 32,
        "unanswerable": 7,
        "repeated_questions": 0,
        "contradicting_questions": 0,
        "sha256": sha256(tmp_path / "out" / "validation.parquet"),
    }


def test_synthetic_makes_its_own_three_splits(tmp_path: Path) -> None:
    splits = written(tmp_path / "out", settings("synthetic"))
    assert len(splits["train"]) >= 150
    assert len(splits["calibration"]) >= 60
    assert len(splits["validation"]) >= 60
    content = json.loads((tmp_path / "out" / "dataset.json").read_text(encoding="utf-8"))
    assert content["read"]["seed"] == 5
    assert content["calibration_fraction"] is None


def test_synthetic_with_limits_and_without_calibration(tmp_path: Path) -> None:
    given = settings("synthetic", synthetic__calibration_questions=0, limits__train=60)
    splits = written(tmp_path / "out", given)
    assert splits["calibration"] == []
    assert 0 < len(splits["train"]) <= 60


def sized(path: Path, articles: list[list[int]]) -> dict[str, Any]:
    """A file whose articles have contexts with so many questions."""
    data = [
        {
            "title": f"article {number}",
            "paragraphs": [
                {
                    "context": f"context {number} {place}",
                    "qas": [
                        {"id": f"{number} {place} {n}", "question": f"{n}?", "answers": []} for n in range(questions)
                    ],
                }
                for place, questions in enumerate(contexts)
            ],
        }
        for number, contexts in enumerate(articles)
    ]
    path.write_text(json.dumps({"data": data}), encoding="utf-8")
    return {"path": str(path), "sha256": None}


CALIBRATIONS: list[tuple[list[list[int]], float, int, str, list[str]]] = [
    # questions of each context of each article, fraction; questions that come out, what stays whole, what is said
    ([[5] * 80, [4]], 0.1, 40, "context", ["calibration: split off by context, since whole articles are too large"]),
    ([[5] * 80, [30]], 0.1, 30, "article", []),
    ([[10]] * 10, 0.1, 10, "article", []),
    ([[10]] * 10, 0.14, 10, "article", []),
    ([[1]] * 20, 0.1, 2, "article", []),
    ([[5] * 4], 0.3, 5, "context", ["calibration: split off by context, since whole articles are too large"]),
    (
        [[400], [4]],
        0.1,
        4,
        "article",
        ["calibration: 4 questions instead of 40, the nearest that whole articles allow"],
    ),
    (
        [[400], [2], [3, 8]],
        0.1,
        13,
        "article",
        ["calibration: 13 questions instead of 41, the nearest that whole articles allow"],
    ),
    ([[60], [40]], 0.5, 40, "article", []),
]


@pytest.mark.parametrize(("articles", "fraction", "questions", "unit", "notes"), CALIBRATIONS)
def test_calibration_is_as_near_the_fraction_as_it_can_be(
    tmp_path: Path, articles: list[list[int]], fraction: float, questions: int, unit: str, notes: list[str]
) -> None:
    file = sized(tmp_path / "train.json", articles)
    given = settings("files", files__train=file, calibration_fraction=fraction)
    (tmp_path / "out").mkdir()
    done = run.write_splits(given, tmp_path / "out", tmp_path / "flaws.csv", 5.0)
    assert done.counts["calibration"].questions == questions <= 2 * fraction * sum(map(sum, articles))
    assert done.counts["train"].questions == sum(map(sum, articles)) - questions
    assert [note for note in done.notes if note.startswith("calibration")] == notes
    facts = json.loads((tmp_path / "out" / "dataset.json").read_text(encoding="utf-8"))
    assert facts["calibration_unit"] == unit
    shared = facts["shared"]["train_and_calibration"]
    assert (shared["contexts"], shared["articles"] > 0) == (0, unit == "context")


@pytest.mark.parametrize("articles", [[[400]], [[20, 20]], [[3]]])
def test_where_no_part_of_whole_contexts_fits_nothing_is_split_off(tmp_path: Path, articles: list[list[int]]) -> None:
    given = settings("files", files__train=sized(tmp_path / "train.json", articles), calibration_fraction=0.1)
    with pytest.raises(SpanlineError) as refusal:
        run.write_splits(given, tmp_path, tmp_path / "flaws.csv", 5.0)
    contexts, questions = sum(map(len, articles)), sum(map(sum, articles))
    assert str(refusal.value) == (
        f"split train: no part of its {contexts} contexts has between 1 and {int(0.2 * questions)} questions; "
        "bring more contexts, or raise download.calibration_fraction (0 = no calibration split)"
    )


def test_train_and_validation_may_not_be_one_file(tmp_path: Path) -> None:
    same = tmp_path / "another-name.json"
    same.write_bytes(TINY.read_bytes())
    given = settings("files", files__train={"path": str(same), "sha256": None})
    with pytest.raises(SpanlineError) as refusal:
        run.write_splits(given, tmp_path, tmp_path / "flaws.csv", 5.0)
    what = "train and validation are the same questions, so every score would be of what was trained on"
    assert str(refusal.value) == f"download.files: {what}; give validation a file of its own"


def test_what_splits_repeat_and_share_is_said(tmp_path: Path) -> None:
    content = json.loads(TINY.read_text(encoding="utf-8"))
    qas = content["data"][0]["paragraphs"][0]["qas"]
    answerable = next(record for record in qas if record["answers"])
    qas.append({**answerable, "id": "again"})
    qas.append({**answerable, "id": "and again", "answers": [], "is_impossible": True})
    path = tmp_path / "validation.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    given = settings("files", files__validation={"path": str(path), "sha256": None}, calibration_fraction=0.0)
    (tmp_path / "out").mkdir()
    done = run.write_splits(given, tmp_path / "out", tmp_path / "flaws.csv", 5.0)
    contexts = sum(len(article["paragraphs"]) for article in content["data"])
    assert done.notes == [
        "validation: 2 questions come again in their context, 1 of them with a contradicting label",
        f"train and validation share {contexts} contexts and 4 articles (by title)",
    ]
    facts = json.loads((tmp_path / "out" / "dataset.json").read_text(encoding="utf-8"))
    assert facts["shared"]["train_and_validation"] == {"articles": 4, "contexts": contexts}
    assert facts["shared"]["train_and_calibration"] == {"articles": 0, "contexts": 0}
    assert facts["splits"]["validation"]["repeated_questions"] == 2
    assert facts["splits"]["validation"]["contradicting_questions"] == 1


def test_no_licence_is_assumed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    done = run.write_splits(settings("files", files__licence=None), tmp_path / "out", tmp_path / "flaws.csv", 5.0)
    assert json.loads((tmp_path / "out" / "dataset.json").read_text(encoding="utf-8"))["licence"] is None
    assert "licence: not stated; `licence` of the source in params.yaml takes it" in done.notes


@pytest.mark.parametrize("format_", ["squad", "jsonl", "parquet"])
@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>", b"version https://git-lfs.github.com/spec/v1\n"])
def test_what_is_no_data_is_named_before_anything_is_pinned_or_read(
    tmp_path: Path, content: bytes, format_: str
) -> None:
    path = tmp_path / "train.json"
    path.write_bytes(content)
    for pin in (None, sha256(path), "0" * 64):
        given = settings("files", files__train={"path": str(path), "sha256": pin}, files__format=format_)
        with pytest.raises(SpanlineError, match=r"train\.json: is (empty|an HTML page|a Git LFS pointer)"):
            run.write_splits(given, tmp_path, tmp_path / "flaws.csv", 5.0)
    given = settings("files", files__train={"path": str(path), "sha256": None})
    with pytest.raises(SpanlineError, match=r"train\.json: is (empty|an HTML page|a Git LFS pointer)"):
        sources.require_pins(given)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"source": "web"}, "'download.source' is 'web', which should be 'synthetic', 'files' or 'hub'"),
        ({"limits__train": 0}, "'download.limits.train' is 0, which should be greater than or equal to 1"),
        ({"calibration_fraction": 1.0}, "'download.calibration_fraction' is 1.0, which should be less than 1"),
        ({"hub__revision": "main"}, "'download.hub.revision' is 'main', String should match pattern"),
        ({"limits__tain": 1}, "unknown key 'download.limits.tain'; did you mean 'train'?"),
    ],
)
def test_params_are_refused(changes: dict[str, Any], line: str) -> None:
    source = changes.pop("source", "files")
    with pytest.raises(SpanlineError) as refusal:
        settings(source, **changes)
    assert str(refusal.value).startswith(f"params.yaml: {line}")


def test_real_files(shared: Path, tmp_path: Path) -> None:
    folder = shared / "squad_v2"
    given = settings(
        "files",
        files__train={"path": str(folder / "train-v2.0-reconstructed.json"), "sha256": None},
        files__validation={"path": str(folder / "dev-v2.0.json"), "sha256": sha256(folder / "dev-v2.0.json")},
        calibration_fraction=0.1,
        limits__train=8_000,
        limits__validation=1_000,
    )
    counts = run.write_splits(given, tmp_path, tmp_path / "flaws.csv", 5.0).counts
    assert counts["calibration"].questions == 13_022  # a tenth of 130,221
    assert 7_000 < counts["train"].questions <= 8_000
    assert 500 < counts["validation"].questions <= 1_000

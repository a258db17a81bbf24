"""benchmarks.evidence: which stage is on, what it took over several runs, and which parameters are a run's own."""

from __future__ import annotations

from pathlib import Path

from benchmarks.evidence import Row, Watch, differences, read_rows, write_rows


def test_a_stage_takes_from_its_first_line_to_the_lock() -> None:
    watch = Watch({"train": Row(100.0, 900), "download": Row(3.0, 50)})
    watch.sample(7)  # nothing is on
    watch.line("Stage 'download' didn't change, skipping\n", 1.0)
    watch.line("Running stage 'train':\n", 2.0)
    watch.sample(800)
    watch.line("> python -m stages.train\n", 2.5)
    watch.line("Updating lock file 'dvc.lock'\n", 12.0)
    watch.sample(5000)  # DVC itself
    watch.line("Running stage 'predict@validation':\n", 20.0)
    watch.sample(60)
    watch.sample(40)
    watch.line("Running stage 'score':\n", 25.0)  # the lock was up to date
    watch.end(26.0)
    assert watch.rows == {
        "train": Row(110.0, 900),
        "download": Row(3.0, 50),
        "predict@validation": Row(5.0, 60),
        "score": Row(1.0, 0),
    }


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = {"train": Row(110.0, 900 * 2**20), "predict@validation": Row(5.5, 60 * 2**20)}
    assert read_rows(tmp_path / "stages.csv") == {}
    write_rows(tmp_path / "stages.csv", rows)
    assert read_rows(tmp_path / "stages.csv") == rows


def test_only_what_differs_and_no_folder_of_this_machine() -> None:
    default = {"train": {"epochs": 1.0, "rate": 0.1, "sha256": {}}, "download": {"path": "https://a/b.json"}}
    params = {"train": {"epochs": 2.0, "rate": 0.1, "sha256": {"a": "b"}}, "download": {"path": "/home/ann/b.json"}}
    expected = {"train": {"epochs": 2.0, "sha256": {"a": "b"}}, "download": {"path": "b.json"}}
    assert differences(params, default) == expected
    assert differences(default, default) == {}
    assert differences({"download": {"path": "https://c/b.json"}}, default) == {
        "download": {"path": "https://c/b.json"}
    }

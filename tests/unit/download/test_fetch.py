"""What a path or URL brings is whole and has its checksum, or nothing is kept; against a server on loopback."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from spanline.common.errors import SpanlineError
from spanline.download import fetch

BODY = b"0123456789" * 300_000
LIMITS = fetch.Limits(allow_http=True, max_bytes=10_000_000, progress_every_s=5.0)
SHA256 = hashlib.sha256(BODY).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Plays a mirror: /data.json is good, the other names misbehave as they say.

    /flaky.json is cut off the first two times, /busy.json answers 503 once; /again.json is /flaky.json of a server that
    knows no ranges.
    """

    asked: ClassVar[list[tuple[str, str | None]]] = []  # path and range of each request

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.asked.append((path, self.headers["Range"]))
        number = [asked for asked, _ in self.asked].count(path)
        if path == "/busy.json" and number == 1:
            self.send_error(503, "Busy")
        elif path in ("/flaky.json", "/again.json", "/busy.json"):
            self._send_part(path, 0 if path == "/busy.json" or number > 2 else number << 20)
        elif path == "/moved.json":
            self.send_response(302)
            self.send_header("Location", "/data.json")
            self.end_headers()
        elif path in ("/data.json", "/cut.json", "/stalled.json", "/unsized.json"):
            self._send(path)
        else:
            self.send_error(404, "Not Found")

    def _send(self, path: str) -> None:
        self.send_response(200)
        if path != "/unsized.json":
            self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY[: len(BODY) if path in ("/data.json", "/unsized.json") else 1 << 20])
        if path == "/stalled.json":
            self.wfile.flush()
            time.sleep(1)

    def _send_part(self, path: str, stop: int) -> None:
        """The body up to `stop` (0: all of it), from where the range begins if ranges are known."""
        given = self.headers["Range"]
        start = int(given.removeprefix("bytes=").removesuffix("-")) if given and path == "/flaky.json" else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(BODY) - start))
        self.end_headers()
        self.wfile.write(BODY[start : stop or None])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _no_proxy_and_no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(fetch, "BACKOFF_S", 0)
    Handler.asked.clear()


def refusal(location: str, expected: str | None, folder: Path) -> str:
    """The line of the error; asserts that nothing was kept."""
    with pytest.raises(SpanlineError) as error:
        fetch.fetch(location, expected, folder, LIMITS)
    assert not folder.exists() or list(folder.iterdir()) == []
    return str(error.value)


@pytest.mark.parametrize("name", ["data.json", "unsized.json", "data.json?key=1"])
def test_a_url(server: str, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = fetch.fetch(f"{server}/{name}", SHA256, tmp_path / "new", LIMITS)
    assert path == tmp_path / "new" / "download.json"
    assert path.read_bytes() == BODY
    assert list(path.parent.iterdir()) == [path]
    size = "" if "unsized" in name else " (3,000,000 bytes)"
    assert capsys.readouterr().err == f"fetching {server}/{name.partition('?')[0]}{size}\n"


def test_a_redirect(server: str, tmp_path: Path) -> None:
    assert fetch.fetch(f"{server}/moved.json", SHA256, tmp_path, LIMITS).read_bytes() == BODY


def test_progress_shows_size_and_time_left(server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fetch.fetch(f"{server}/data.json", SHA256, tmp_path, replace(LIMITS, progress_every_s=1e-9))
    lines = capsys.readouterr().err.splitlines()
    assert lines[1].startswith(f"{server}/data.json  65,536/3,000,000 bytes  ")
    assert lines[1].endswith(" left")


def test_a_path_is_used_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a b é.json"
    path.write_bytes(BODY)
    for location in (str(path), path.as_uri()):
        for expected in (None, SHA256):
            assert fetch.fetch(location, expected, tmp_path / "none", LIMITS) == path
    assert not (tmp_path / "none").exists()


def test_a_url_without_checksum(tmp_path: Path) -> None:
    line = refusal("https://user:secret@example.org/a.json?key=secret", None, tmp_path)
    assert line == (
        "https://example.org/a.json: a URL needs its sha256; set it beside the path: sha256sum FILE prints it"
    )


def test_wrong_checksum(server: str, tmp_path: Path) -> None:
    todo = "another version of the file, or a broken copy: fetch it anew, or set its sha256 if you trust it"
    wrong = "0" * 64
    line = refusal(f"{server}/data.json", wrong, tmp_path / "new")
    assert line == f"{server}/data.json: its sha256 is {SHA256}, expected {wrong}; {todo}"
    path = tmp_path / "data.json"
    path.write_bytes(BODY)
    assert refusal(str(path), wrong, tmp_path / "new") == f"{path}: its sha256 is {SHA256}, expected {wrong}; {todo}"


TODO = "check the URL and the network, or point to a mirror or a local copy"


def test_cut_off_each_time(server: str, tmp_path: Path) -> None:
    line = refusal(f"{server}/cut.json", SHA256, tmp_path)
    assert line == f"{server}/cut.json: was cut off after 1,048,576 of 3,000,000 bytes; {TODO}, and run again"
    assert len(Handler.asked) == fetch.TRIES


def test_a_body_that_is_cut_off_goes_on_where_it_was_cut(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch.fetch(f"{server}/flaky.json?key=secret", SHA256, tmp_path, LIMITS).read_bytes() == BODY
    assert [given for _, given in Handler.asked] == [None, "bytes=1048576-", "bytes=2097152-"]
    lines = capsys.readouterr().err.splitlines()
    assert lines[1] == f"{server}/flaky.json was cut off after 1,048,576 of 3,000,000 bytes; trying again"
    assert lines[2] == f"{server}/flaky.json was cut off after 2,097,152 of 3,000,000 bytes; trying again"
    assert len(lines) == 3


def test_a_server_without_ranges_sends_all_again(server: str, tmp_path: Path) -> None:
    assert fetch.fetch(f"{server}/again.json", SHA256, tmp_path, LIMITS).read_bytes() == BODY
    assert len(Handler.asked) == 3


def test_a_busy_server_is_asked_again(server: str, tmp_path: Path) -> None:
    assert fetch.fetch(f"{server}/busy.json", SHA256, tmp_path, LIMITS).read_bytes() == BODY
    assert len(Handler.asked) == 2


def test_stalled(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "TIMEOUT_S", 0.2)
    line = refusal(f"{server}/stalled.json", SHA256, tmp_path)
    assert line == f"{server}/stalled.json: sent nothing for 0.2 s; {TODO}, and run again"


def test_http_error(server: str, tmp_path: Path) -> None:
    line = refusal(f"{server}/none.json?key=secret", SHA256, tmp_path)
    todo = "check the URL and the network, or point to a mirror or a local copy"
    assert line == f"{server}/none.json: the server says 404 Not Found; {todo}"


def test_no_server(tmp_path: Path) -> None:
    line = refusal("http://127.0.0.1:1/data.json", SHA256, tmp_path)
    assert line == (
        "http://127.0.0.1:1/data.json: can't be fetched ([Errno 111] Connection refused); "
        "check the URL and the network, or point to a mirror or a local copy"
    )


def test_missing_path_and_foreign_scheme(tmp_path: Path) -> None:
    missing = tmp_path / "none.json"
    for location in (str(missing), missing.as_uri()):
        line = refusal(location, None, tmp_path)
        assert line == f"{location}: there is no such file; fix the path; it counts from where the stage runs"
    line = refusal("s3://bucket/data.json", SHA256, tmp_path)
    assert line == "s3://bucket/data.json: can't fetch s3://; give a path, or a file:///path or https://host/path URL"


def test_recorded_names_hold_no_secret_and_no_folder() -> None:
    assert fetch.public_name("/home/someone/train.json") == "train.json"
    assert fetch.public_name("file:///home/someone/train.json") == "train.json"
    assert fetch.public_name("https://u:p@host:8/a/train.json?sig=1#x") == "https://host:8/a/train.json"

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
import requests

from spanline.common.errors import SpanlineError
from spanline.download import fetch

BODY = b"0123456789" * 300_000
LIMITS = fetch.Limits(allow_http=True, max_bytes=10_000_000, progress_every_s=5.0)
ONLY_HTTPS = replace(LIMITS, allow_http=False)
SHA256 = hashlib.sha256(BODY).hexdigest()


TODO = "check the URL and the network, or point to a mirror or a local copy"
MOVED = {
    "/moved.json": "/data.json",
    "/ftp.json": "ftp://ann:S3CRET@127.0.0.1/data.json",
    "/file.json": "file:///etc/passwd",
    "/round.json": "/round.json",
}


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
        elif path in MOVED:
            self.send_response(302)
            self.send_header("Location", MOVED[path])
            self.end_headers()
        elif path == "/exact.json":
            self._send_all_but_say_cut(number)
        elif path == "/shifted.json":
            self._send_shifted(number)
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

    def _send_all_but_say_cut(self, number: int) -> None:
        """Everything, of a length that is one too many; then 416, for there is nothing behind it."""
        self.send_response(200 if number == 1 else 416)
        self.send_header("Content-Length", str(len(BODY) + 1 if number == 1 else 0))
        self.end_headers()
        if number == 1:
            self.wfile.write(BODY)

    def _send_shifted(self, number: int) -> None:
        """Cut off at first; then another range than was asked for, which is the whole body."""
        self.send_response(200 if number == 1 else 206)
        self.send_header("Content-Length", str(len(BODY)))
        if number > 1:
            self.send_header("Content-Range", f"bytes 0-{len(BODY) - 1}/{len(BODY)}")
        self.end_headers()
        self.wfile.write(BODY[: 1 << 20] if number == 1 else BODY)

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


def refusal(location: str, expected: str | None, folder: Path, limits: fetch.Limits = LIMITS) -> str:
    """The line of the error; asserts that nothing was kept."""
    with pytest.raises(SpanlineError) as error:
        fetch.fetch(location, expected, folder, limits)
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


@pytest.mark.parametrize("name", ["ftp.json", "file.json"])
def test_a_redirect_to_another_kind_of_url_is_not_followed(server: str, tmp_path: Path, name: str) -> None:
    line = refusal(f"{server}/{name}", SHA256, tmp_path)
    assert line == f"{server}/{name}: redirects to another kind of URL than https://, http://; {TODO}"


def test_http_only_for_those_who_ask(server: str, tmp_path: Path) -> None:
    assert refusal(f"{server}/data.json", SHA256, tmp_path, ONLY_HTTPS) == (
        f"{server}/data.json: http:// can be read and changed by others on the way; "
        "use https://, or set download.files.allow_http to true"
    )
    assert Handler.asked == []
    with fetch._session(ONLY_HTTPS.schemes) as session, pytest.raises(requests.exceptions.InvalidSchema) as error:
        session.get(f"{server}/data.json")  # what a redirect from https:// would do
    assert fetch._reason(error.value, ONLY_HTTPS) == (
        "redirects to another kind of URL than https:// (http:// with download.files.allow_http)"
    )


def test_redirects_without_end(server: str, tmp_path: Path) -> None:
    assert refusal(f"{server}/round.json", SHA256, tmp_path) == (
        f"{server}/round.json: can't be fetched (TooManyRedirects); {TODO}"
    )


@pytest.mark.parametrize("name", ["data.json", "unsized.json"])
def test_no_more_than_the_limit_is_fetched(server: str, tmp_path: Path, name: str) -> None:
    """By the length that the server states, before a byte of it; else when the limit is passed."""
    for limit, passes in ((len(BODY), True), (len(BODY) - 1, False), (1, False)):
        limits = replace(LIMITS, max_bytes=limit)
        if passes:
            assert fetch.fetch(f"{server}/{name}", SHA256, tmp_path / "new", limits).read_bytes() == BODY
            continue
        what = f"is longer than download.files.max_bytes, {limit:,}"
        line = f"{server}/{name}: {what}; check the URL, or raise the limit"
        assert refusal(f"{server}/{name}", SHA256, tmp_path / "other", limits) == line


def test_a_body_cut_off_at_its_very_end_is_whole(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_CHUNK_BYTES", 100_000)  # so that the last piece is a whole one, which no cut loses
    assert fetch.fetch(f"{server}/exact.json", SHA256, tmp_path, LIMITS).read_bytes() == BODY
    assert [given for _, given in Handler.asked] == [None, f"bytes={len(BODY)}-"]


def test_another_range_than_asked_for_is_put_where_it_belongs(server: str, tmp_path: Path) -> None:
    assert fetch.fetch(f"{server}/shifted.json", SHA256, tmp_path, LIMITS).read_bytes() == BODY


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


ODD_URLS = [
    "https://127.0.0.1:1/%00",
    "https://127.0.0.1:1/..",
    "https://127.0.0.1:1/a/%2e%2e",
    "https://127.0.0.1:1/" + "a" * 300 + ".json",
    "https://127.0.0.1:1/" + "a." * 300,
    "https://127.0.0.1:1/a.json%2f..%2f..%2fetc",
    "https://[::1/data.json",
    "https://[zz]/data.json",
    "https://[::1]:x/data.json",
    "https://127.0.0.1:99999/data.json",
    "https:///data.json",
    "https://",
    "://",
    "https://a b/data.json",
    "https://" + "a" * 64 + ".org/data.json",
    "https://" + "a." * 200 + "org/data.json",
    "https://.org/data.json",
    "https://\ud83d/data.json",
    "https://127.0.0.1:1\n/data.json",
    "https://127.0.0.1:1/\x00",
    "file://somewhere/data.json",
    "file:///no/such/\x00",
    "file:///no/such/%00",
    "file:///" + "a" * 300,
    "a\x00b",
    "a" * 300,
    "/" * 5000,
    "hf://datasets/a/b.json",
    "s3://bucket/a.json",
    "ftp://host/a.json",
    "data:text/plain;base64,AAAA://x",
    "javascript://x",
]


@pytest.mark.parametrize("location", ODD_URLS, ids=[repr(url)[:40] for url in ODD_URLS])
def test_every_odd_place_is_one_refusal(tmp_path: Path, location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "TRIES", 1)
    for expected in (None, SHA256):
        assert refusal(location, expected, tmp_path / "new")


@pytest.mark.parametrize("scheme", ["http", "https", "s3", "ftp", "file", "hf", "ssh", "webdavs"])
@pytest.mark.parametrize(
    "rest",
    [
        "ann:S3CRET@127.0.0.1:1/data.json",
        "S3CRET@127.0.0.1:1/data.json",
        "ann:S3CRET@x@127.0.0.1:1/data.json",
        "ann:p/S3CRET@127.0.0.1:1/data.json",
        "ann:p?S3CRET@127.0.0.1:1/data.json",
        "ann:p#S3CRET@127.0.0.1:1/data.json",
        "127.0.0.1:1/data.json?token=S3CRET",
        "127.0.0.1:1/data.json#S3CRET",
        "ann:S3CRET@[::1/data.json",
        "ann:S3CRET@:x/data.json",
    ],
)
def test_no_secret_is_shown(
    tmp_path: Path, scheme: str, rest: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fetch, "TRIES", 1)
    for limits in (LIMITS, ONLY_HTTPS):
        for expected in (None, SHA256):
            line = refusal(f"{scheme}://{rest}", expected, tmp_path / "new", limits)
            assert "S3CRET" not in line + capsys.readouterr().err
            assert line.startswith(f"{scheme}://")


def test_a_wrong_checksum_of_a_page_says_that_it_is_one(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_text("<!DOCTYPE html><html>")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    assert refusal(str(path), SHA256, tmp_path / "new") == (
        f"{path}: is an HTML page, not data; its sha256 is {found}, expected {SHA256}; "
        "a server answered with a page: check the URL, and that it needs no login"
    )


def test_recorded_names_hold_no_secret_and_no_folder() -> None:
    assert fetch.public_name("/home/someone/train.json") == "train.json"
    assert fetch.public_name("file:///home/someone/train.json") == "train.json"
    assert fetch.public_name("https://u:p@host:8/a/train.json?sig=1#x") == "https://host:8/a/train.json"

"""A path, a file:// or an http(s) URL -> a local file whose SHA-256 is checked; nothing is kept on failure."""

from __future__ import annotations

import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from spanline.common.console import Progress, say
from spanline.common.errors import SpanlineError
from spanline.common.files import new_file, sha256

if TYPE_CHECKING:
    import requests

TIMEOUT_S = 60.0  # without a single byte
TRIES = 4  # of a connection, of an answer from a server that is too busy, of a body that is cut off
BACKOFF_S = 1.0  # before the second try; doubled before each further one
_BUSY = (429, 500, 502, 503, 504)  # answers that another try may change
_CHUNK_BYTES = 1 << 16  # what a cut may lose
_SCHEMES = ("http", "https")
_TODO = "check the URL and the network, or point to a mirror or a local copy"


def fetch(location: str, expected_sha256: str | None, folder: Path, progress_every_s: float) -> Path:
    """The local file: the path itself, or the URL's content under its own name in `folder`.

    Raises SpanlineError for what is missing, unreachable or cut off, and for another checksum than the expected one,
    which a URL must have. Proxies come from the environment (`HTTPS_PROXY` and so on).
    """
    path = local_path(location)
    if path is None:
        return _download(location, _required(expected_sha256, location), folder, progress_every_s)
    if not path.is_file():
        raise SpanlineError(location, "there is no such file", "fix the path; it counts from where the stage runs")
    if expected_sha256 is not None:
        _check(path, expected_sha256, location)
    return path


def local_path(location: str) -> Path | None:
    """The path that a path or a file:// URL means; None for http and https."""
    url = urllib.parse.urlsplit(location)
    if "://" not in location:
        return Path(location)
    if url.scheme == "file":
        return Path(urllib.request.url2pathname(url.path))
    if url.scheme in _SCHEMES:
        return None
    raise SpanlineError(location, f"can't fetch {url.scheme}://", "give a path, or a file://, http:// or https:// URL")


def public_name(location: str) -> str:
    """How a file is recorded: a URL without its secrets, a path (of this machine) by its last part only."""
    path = local_path(location)
    return path.name if path is not None else without_secrets(location)


def without_secrets(location: str) -> str:
    """A URL without user, password and query (where signed URLs carry their key); a path as it is."""
    if local_path(location) is not None:
        return location
    parts = urllib.parse.urlsplit(location)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _required(expected_sha256: str | None, url: str) -> str:
    if expected_sha256 is None:
        todo = "set it beside the path: sha256sum FILE prints it"
        raise SpanlineError(without_secrets(url), "a URL needs its sha256", todo)
    return expected_sha256


def _download(url: str, expected_sha256: str, folder: Path, progress_every_s: float) -> Path:
    shown = without_secrets(url)
    path = folder / (Path(urllib.parse.unquote(urllib.parse.urlsplit(url).path)).name or "download")
    with new_file(path) as temporary:
        temporary.touch()
        with _session() as session:
            _fetch_whole(session, url, temporary, shown, progress_every_s)
        _check(temporary, expected_sha256, shown)
    return path


def _session() -> requests.Session:
    """A session that tries again where a connection fails or the server is too busy, and waits longer each time."""
    import requests  # a fifth of a second that a path or the embedded corpus need not wait for
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

    retry = Retry(total=TRIES - 1, backoff_factor=BACKOFF_S, status_forcelist=_BUSY, raise_on_status=False)
    session = requests.Session()
    for scheme in _SCHEMES:
        session.mount(f"{scheme}://", HTTPAdapter(max_retries=retry))
    return session


def _fetch_whole(session: requests.Session, url: str, path: Path, shown: str, progress_every_s: float) -> None:
    """Fetch until the body is whole, each time from where the one before was cut off; SpanlineError after TRIES."""
    for number in range(1, TRIES + 1):
        try:
            _fetch_rest(session, url, path, shown, progress_every_s)
            return
        except _CutOffError as cut:
            if number == TRIES:
                raise SpanlineError(shown, str(cut), f"{_TODO}, and run again") from None
            say(f"{shown} {cut}; trying again")
            time.sleep(BACKOFF_S * 2 ** (number - 1))


class _CutOffError(Exception):
    """A body ended too early; the text says where."""


def _fetch_rest(session: requests.Session, url: str, path: Path, shown: str, progress_every_s: float) -> None:
    """Append what `path` lacks, or write all of it anew where the server can't begin in the middle."""
    from requests import RequestException

    done = path.stat().st_size
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    try:
        response = session.get(url, headers=headers, stream=True, timeout=TIMEOUT_S)
    except RequestException as error:
        raise SpanlineError(shown, _reason(error), _TODO) from None
    with response:
        if response.status_code != 206:
            done = 0
        if not response.ok:
            raise SpanlineError(shown, f"the server says {response.status_code} {response.reason}", _TODO)
        length = response.headers.get("Content-Length", "")
        total = done + int(length) if length.isdigit() else None
        if not done:
            say(f"fetching {shown}" + (f" ({total:,} bytes)" if total is not None else ""))
        progress = Progress(shown, total, "bytes", progress_every_s)
        progress.skip(done)
        with path.open("ab" if done else "wb") as file:
            try:
                for chunk in response.iter_content(_CHUNK_BYTES):
                    file.write(chunk)
                    progress.add(len(chunk))
            except RequestException as error:
                file.flush()
                raise _CutOffError(_cut(error, path.stat().st_size, total)) from None


def _reason(error: Exception) -> str:
    """What the library says of a failed connection, without the URL and its secrets."""
    from requests import Timeout

    if isinstance(error, Timeout):
        return f"nothing came for {TIMEOUT_S:g} s"
    reason = getattr(error.args[0], "reason", None) if error.args else None
    said = str(reason).rpartition(": ")[2] if reason is not None else type(error).__name__
    return f"can't be fetched ({said})"


def _cut(error: Exception, done: int, total: int | None) -> str:
    if "timed out" in str(error):
        return f"sent nothing for {TIMEOUT_S:g} s"
    return f"was cut off after {done:,}" + (f" of {total:,}" if total is not None else "") + " bytes"


def _check(path: Path, expected_sha256: str, shown: str) -> None:
    found = sha256(path)
    if found != expected_sha256:
        todo = "another version of the file, or a broken copy: fetch it anew, or set its sha256 if you trust it"
        raise SpanlineError(shown, f"its sha256 is {found}, expected {expected_sha256}", todo)

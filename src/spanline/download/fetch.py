"""A path, a file:// or an https:// URL -> a local file whose SHA-256 is checked; nothing is kept on failure.

http:// is for those who ask for it. What the server sends is bounded by the caller's limit, whatever it says of itself.
"""

from __future__ import annotations

import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spanline.common.console import Progress, say
from spanline.common.errors import SpanlineError, without_secrets
from spanline.common.files import new_file, sha256
from spanline.download.readers.kind import something_else

if TYPE_CHECKING:
    import requests

TIMEOUT_S = 60.0  # without a single byte
TRIES = 4  # of a connection, of an answer from a server that is too busy, of a body that is cut off
BACKOFF_S = 1.0  # before the second try; doubled before each further one
_BUSY = (429, 500, 502, 503, 504)  # answers that another try may change
_CHUNK_BYTES = 1 << 16  # what a cut may lose
_TODO = "check the URL and the network, or point to a mirror or a local copy"


@dataclass(frozen=True)
class Limits:
    """What a download may do."""

    allow_http: bool  # http:// too, also as what a redirect leads to
    max_bytes: int  # of a file
    progress_every_s: float

    @property
    def schemes(self) -> tuple[str, ...]:
        return ("https", "http") if self.allow_http else ("https",)


def fetch(location: str, expected_sha256: str | None, folder: Path, limits: Limits) -> Path:
    """The local file: the path itself, or the URL's content in `folder`, under a name that ends as the URL's does.

    Raises SpanlineError for what is missing, unreachable, too large or cut off, and for another checksum than the
    expected one, which a URL must have. Proxies come from the environment (`HTTPS_PROXY` and so on).
    """
    path = local_path(location)
    if path is None:
        return _download(location, _required(expected_sha256, location), folder, limits)
    if not is_file(path):
        raise SpanlineError(location, "there is no such file", "fix the path; it counts from where the stage runs")
    if expected_sha256 is not None:
        _check(path, expected_sha256, location)
    return path


def is_file(path: Path) -> bool:
    """False, too, for names that no file can have: too long, or with a null character."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def local_path(location: str) -> Path | None:
    """The path that a path or a file:// URL means; None for http and https. SpanlineError for any other URL."""
    if "://" not in location:
        return Path(location)
    url = _parsed(location)
    if url.scheme == "file" and url.netloc in ("", "localhost"):
        return Path(urllib.request.url2pathname(url.path))
    if url.scheme in ("http", "https") and url.hostname:
        return None
    what = f"can't fetch {url.scheme}://" if url.scheme not in ("http", "https", "file") else "is no whole URL"
    raise SpanlineError(location, what, "give a path, or a file:///path or https://host/path URL")


def _parsed(location: str) -> urllib.parse.SplitResult:
    try:
        url = urllib.parse.urlsplit(location)
        _ = url.port
    except ValueError as error:  # brackets around no IPv6 address, a port that is no number
        raise SpanlineError(location, f"is no URL ({error})", "fix it") from None
    return url


def public_name(location: str) -> str:
    """How a file is recorded: a URL without its secrets, a path (of this machine) by its last part only."""
    path = local_path(location)
    return path.name if path is not None else without_secrets(location)


def _required(expected_sha256: str | None, url: str) -> str:
    if expected_sha256 is None:
        raise SpanlineError(url, "a URL needs its sha256", "set it beside the path: sha256sum FILE prints it")
    return expected_sha256


def _download(url: str, expected_sha256: str, folder: Path, limits: Limits) -> Path:
    parts = _parsed(url)
    if parts.scheme not in limits.schemes:
        todo = "use https://, or set download.files.allow_http to true"
        raise SpanlineError(url, "http:// can be read and changed by others on the way", todo)
    path = folder / f"download{_suffix(parts.path)}"
    with new_file(path) as temporary:
        temporary.touch()
        with _session(limits.schemes) as session:
            _fetch_whole(session, url, temporary, limits)
        _check(temporary, expected_sha256, url)
    return path


def _suffix(url_path: str) -> str:
    """The end of the URL's name, which may tell the format; the rest could be any name, `..` or one too long."""
    suffix = Path(urllib.parse.unquote(url_path).rpartition("/")[2]).suffix
    return suffix if suffix.isascii() and suffix[1:].isalnum() and len(suffix) <= 10 else ""


def _session(schemes: tuple[str, ...]) -> requests.Session:
    """A session that tries again where a connection fails or the server is too busy, and waits longer each time. It
    knows these schemes and no others, wherever it is redirected."""
    import requests  # a fifth of a second that a path or the embedded corpus need not wait for
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

    retry = Retry(total=TRIES - 1, backoff_factor=BACKOFF_S, status_forcelist=_BUSY, raise_on_status=False)
    session = requests.Session()
    session.adapters.clear()
    for scheme in schemes:
        session.mount(f"{scheme}://", HTTPAdapter(max_retries=retry))
    return session


def _fetch_whole(session: requests.Session, url: str, path: Path, limits: Limits) -> None:
    """Fetch until the body is whole, each time from where the one before was cut off; SpanlineError after TRIES."""
    for number in range(1, TRIES + 1):
        try:
            _fetch_rest(session, url, path, limits)
            return
        except _CutOffError as cut:
            if number == TRIES:
                raise SpanlineError(url, str(cut), f"{_TODO}, and run again") from None
            say(f"{without_secrets(url)} {cut}; trying again")
            time.sleep(BACKOFF_S * 2 ** (number - 1))


class _CutOffError(Exception):
    """A body ended too early; the text says where."""


def _fetch_rest(session: requests.Session, url: str, path: Path, limits: Limits) -> None:
    """Append what `path` lacks, or write all of it anew where the server can't begin in the middle."""
    from requests import RequestException

    done = path.stat().st_size
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    try:
        response = session.get(url, headers=headers, stream=True, timeout=TIMEOUT_S)
    except (RequestException, ValueError) as error:  # ValueError: of names that no host can have
        raise SpanlineError(url, _reason(error, limits), _TODO) from None
    with response:
        if done and response.status_code == 416:  # nothing behind what we have: it was cut off at its very end
            return
        if not response.ok:
            raise SpanlineError(url, f"the server says {response.status_code} {response.reason}", _TODO)
        begins_at = response.headers.get("Content-Range", f"bytes {done}-")
        if response.status_code != 206 or not begins_at.startswith(f"bytes {done}-"):
            done = 0
        _write_rest(response, url, path, done, limits)


def _write_rest(response: requests.Response, url: str, path: Path, done: int, limits: Limits) -> None:
    """Write the body behind the first `done` bytes of the file."""
    from requests import RequestException

    length, shown = response.headers.get("Content-Length", ""), without_secrets(url)
    total = done + int(length) if length.isdigit() and len(length) < 19 else None
    _check_size(total or 0, url, limits)
    if not done:
        say(f"fetching {shown}" + (f" ({total:,} bytes)" if total is not None else ""))
    progress = Progress(shown, total, "bytes", limits.progress_every_s)
    progress.skip(done)
    with path.open("ab" if done else "wb") as file:
        try:
            for chunk in response.iter_content(_CHUNK_BYTES):
                done += len(chunk)
                _check_size(done, url, limits)
                file.write(chunk)
                progress.add(len(chunk))
        except RequestException as error:
            file.flush()
            raise _CutOffError(_cut(error, path.stat().st_size, total)) from None


def _check_size(size: int, url: str, limits: Limits) -> None:
    if size > limits.max_bytes:
        what = f"is longer than download.files.max_bytes, {limits.max_bytes:,}"
        raise SpanlineError(url, what, "check the URL, or raise the limit")


def _reason(error: Exception, limits: Limits) -> str:
    """What the library says of a failed connection, without the URL and its secrets."""
    from requests import Timeout
    from requests.exceptions import InvalidSchema

    if isinstance(error, InvalidSchema):
        more = "" if limits.allow_http else " (http:// with download.files.allow_http)"
        return f"redirects to another kind of URL than {'://, '.join(limits.schemes)}://{more}"
    if isinstance(error, Timeout):
        return f"nothing came for {TIMEOUT_S:g} s"
    reason = getattr(error.args[0], "reason", None) if error.args else None
    said = str(reason).rpartition(": ")[2] if reason is not None else type(error).__name__
    return f"can't be fetched ({said})"


def _cut(error: Exception, done: int, total: int | None) -> str:
    if "timed out" in str(error):
        return f"sent nothing for {TIMEOUT_S:g} s"
    return f"was cut off after {done:,}" + (f" of {total:,}" if total is not None else "") + " bytes"


def _check(path: Path, expected_sha256: str, location: str) -> None:
    found = sha256(path)
    if found != expected_sha256:
        todo = "another version of the file, or a broken copy: fetch it anew, or set its sha256 if you trust it"
        what = f"its sha256 is {found}, expected {expected_sha256}"
        instead = something_else(path)
        raise SpanlineError(location, *((f"{instead[0]}; {what}", instead[1]) if instead else (what, todo)))

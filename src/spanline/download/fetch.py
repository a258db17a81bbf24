"""A path, a file:// or an http(s) URL -> a local file whose SHA-256 is checked; nothing is kept on failure."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import IO

from spanline.common.console import Progress, say
from spanline.common.errors import SpanlineError
from spanline.common.files import new_file, sha256

TIMEOUT_S = 60.0  # without a single byte
_CHUNK_BYTES = 1 << 20
_SCHEMES = ("http", "https")


def fetch(location: str, expected_sha256: str | None, folder: Path, progress_every_s: float) -> Path:
    """The local file: the path itself, or the URL's content under its own name in `folder`.

    Raises SpanlineError for what is missing, unreachable or cut off, and for another checksum than the expected one,
    which a URL must have. Proxies come from the environment (`HTTPS_PROXY` and so on).
    """
    path = local_path(location)
    if path is None:
        return _download(location, _required(expected_sha256, location), folder, progress_every_s)
    if not path.is_file():
        raise SpanlineError(location, "there is no such file", "mend the path; it counts from where the stage runs")
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
    todo = "check the URL and the network, or point to a mirror or a local copy"
    try:
        with new_file(path) as temporary:
            with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response, temporary.open("wb") as file:
                _copy(response, file, shown, progress_every_s)
            _check(temporary, expected_sha256, shown)
    except urllib.error.HTTPError as error:
        error.close()
        raise SpanlineError(shown, f"the server says {error.code} {error.reason}", todo) from None
    except TimeoutError:
        raise SpanlineError(shown, f"nothing came for {TIMEOUT_S:g} s", todo) from None
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, ssl.SSLError) as error:
        raise SpanlineError(shown, f"can't be fetched ({getattr(error, 'reason', error)})", todo) from None
    return path


def _copy(response: http.client.HTTPResponse, file: IO[bytes], shown: str, progress_every_s: float) -> None:
    """Stream the body to disk; a body shorter than Content-Length is refused."""
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdigit() else None
    say(f"fetching {shown}" + (f" ({total:,} bytes)" if total is not None else ""))
    progress = Progress(shown, total, "bytes", progress_every_s)
    done = 0
    while chunk := response.read(_CHUNK_BYTES):
        file.write(chunk)
        done += len(chunk)
        progress.add(len(chunk))
    if total is not None and done != total:
        raise SpanlineError(shown, f"was cut off after {done:,} of {total:,} bytes", "run again")


def _check(path: Path, expected_sha256: str, shown: str) -> None:
    found = sha256(path)
    if found != expected_sha256:
        todo = "another version of the file, or a broken copy: fetch it anew, or set its sha256 if you trust it"
        raise SpanlineError(shown, f"its sha256 is {found}, expected {expected_sha256}", todo)

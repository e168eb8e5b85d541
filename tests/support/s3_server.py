"""A local S3 server for tests: versitygw over a folder, where a folder is a bucket."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ACCESS_KEY = "contract"
SECRET_KEY = "contract-secret"
_START_SECONDS = 20.0


@dataclass(frozen=True)
class S3Server:
    """A running server; `folder / BUCKET` is what it stores."""

    endpoint: str
    folder: Path

    def bucket(self, name: str) -> Path:
        """Make a bucket and return its folder."""
        path = self.folder / name
        path.mkdir()
        return path


def find_versitygw() -> Path:
    """The server's binary: MODELLOOP_VERSITYGW, PATH, or the binary cache; fails with how to get it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "modelloop" / "bin"
    named = os.environ.get("MODELLOOP_VERSITYGW") or shutil.which("versitygw")
    candidates = [Path(named)] if named else sorted(cache.glob("*/versitygw"))
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise AssertionError(
        f"versitygw, the local S3 server, is not here (tried MODELLOOP_VERSITYGW={named!r}, PATH and {cache}/*): "
        "run `make binaries`, or name the binary in MODELLOOP_VERSITYGW"
    )


@contextmanager
def run_s3_server(folder: Path) -> Iterator[S3Server]:
    """A server over `folder` on a free port, stopped at the end."""
    data, log = folder / "buckets", folder / "log"
    data.mkdir(parents=True)
    port = free_port()
    command = [find_versitygw(), "--access", ACCESS_KEY, "--secret", SECRET_KEY, "--quiet"]
    command += ["--port", f"127.0.0.1:{port}", "posix", str(data)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait_until_it_listens(process, port, log)
        yield S3Server(f"http://127.0.0.1:{port}", data)
    finally:
        process.terminate()
        process.wait(timeout=10)


def free_port() -> int:
    """A port of the loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"versitygw did not listen on port {port} in {_START_SECONDS} s: {log.read_text()[-2000:]}")

"""Running other programs and writing files, so that a failure says what ran and what it answered."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .profiles import ClusterError


def say(message: str) -> None:
    """Tell the person at the terminal; stdout stays free for machine-readable answers."""
    print(message, file=sys.stderr, flush=True)


def run(
    command: Sequence[str | Path],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 600,
) -> str:
    """Run to the end and return stdout; raises ClusterError with the last lines otherwise."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=cwd,
            env={**os.environ, **(env or {})},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ClusterError(f"{' '.join(words)}: {error}") from error
    if done.returncode:
        output = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise ClusterError(f"{' '.join(words)}: exit code {done.returncode}\n{output}")
    return done.stdout


def succeeds(command: Sequence[str | Path], timeout: float = 60) -> bool:
    """Whether the command ends with 0; its output does not matter."""
    try:
        run(command, timeout=timeout)
    except ClusterError:
        return False
    return True


def write(path: Path, content: str | bytes, mode: int = 0o644) -> Path:
    """Write whole or not at all, so that a crash never leaves half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.touch(mode=mode)
    temporary.chmod(mode)
    temporary.write_bytes(data)
    temporary.replace(path)
    return path


def wait_until(what: str, condition: Callable[[], bool], deadline: float, why: Callable[[], str] = str) -> float:
    """Wait for a condition, looking often; returns the seconds it took, raises ClusterError at the deadline."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > deadline:
            raise ClusterError(f"{what}: not within {deadline:.0f} s\n{why()}".rstrip())
        time.sleep(0.05)
    return time.monotonic() - started


def answers(url: str) -> bool:
    """Whether an HTTP server is there; any status will do, and no proxy is asked."""
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def listens(address: str, port: int) -> bool:
    """Whether something accepts TCP connections there."""
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False

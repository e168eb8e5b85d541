"""One server as a process pinned to a core: started, asked, weighed, stopped."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from bench.online.plan import Contender, inherited

START_SECONDS = 60.0
ANSWER_SECONDS = 10.0
POLL_SECONDS = 0.01


class NotStarted(Exception):
    """A server that ended or gave no answer in time; the message has the end of what it said."""


class Server:
    """`with Server(...)` starts it; `cold_seconds` is the time from the spawn to the first 200 to `request`."""

    def __init__(self, contender: Contender, core: int, models: Path, scratch: Path, request: bytes) -> None:
        self.name = contender.name
        self.contender = contender
        self.scratch = scratch
        self.port = free_port()
        self.cold_seconds = 0.0
        self._core = core
        self._models = models
        self._request = request

    def __enter__(self) -> Server:
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(parents=True)
        start = self.contender.start(self._models, self.port, self.scratch)
        self._log = (self.scratch / "log").open("wb")
        began = time.perf_counter()
        try:
            self.process = subprocess.Popen(
                ["taskset", "-c", str(self._core), *start.command],
                env={**inherited(), **start.environment},
                stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise NotStarted(f"{error.filename} is not installed") from error
        try:
            self._until_answered(began + START_SECONDS)
        except BaseException:
            self.__exit__()
            raise
        self.cold_seconds = time.perf_counter() - began
        return self

    def __exit__(self, *exception: object) -> None:
        for sign, seconds in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
            # Its own session: mosec's workers end with it whatever they do about signals.
            try:
                os.killpg(self.process.pid, sign)
                self.process.wait(seconds)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        self._log.close()

    def cpu_seconds(self) -> float:
        """User and system time of it and its children so far."""
        times = (process.cpu_times() for process in self._tree())
        return sum(time.user + time.system for time in times)

    def memory_mib(self) -> float:
        """Proportional set size of it and its children: a page that two processes share counts half in each."""
        return sum(process.memory_full_info().pss for process in self._tree()) / 2**20

    def ask(self, request: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers in lower case and body of one answer, on a connection of its own."""
        return ask(self.port, request)

    def said(self) -> str:
        """The end of its output."""
        lines = (self.scratch / "log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-8:])

    def _tree(self) -> list[psutil.Process]:
        process = psutil.Process(self.process.pid)
        return [process, *process.children(recursive=True)]

    def _until_answered(self, deadline: float) -> None:
        found = "no connection"
        while time.perf_counter() < deadline:
            if self.process.poll() is not None:
                raise NotStarted(f"ended with code {self.process.returncode}:\n{self.said()}")
            try:
                status, _, body = self.ask(self._request)
            except (OSError, http.client.HTTPException):
                time.sleep(POLL_SECONDS)
                continue
            if status == http.HTTPStatus.OK:
                return
            found = f"{status} {body[:200]!r}"
            time.sleep(POLL_SECONDS)
        raise NotStarted(f"no 200 within {START_SECONDS:g} s, last {found}:\n{self.said()}")


def ask(port: int, request: bytes, host: str = "127.0.0.1") -> tuple[int, Mapping[str, str], bytes]:
    """One request on a connection of its own; raises OSError or HTTPException."""
    with socket.create_connection((host, port), timeout=ANSWER_SECONDS) as connection:
        connection.sendall(request)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

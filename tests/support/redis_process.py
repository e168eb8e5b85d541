"""Debian's redis-server as a process of its own, to be killed and started again; installed where it is missing."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Self

from hack.cluster.packages import ensure
from redis import Redis, RedisError

from support.predictor_process import eventually
from support.s3_server import free_port

PASSWORD = "quite secret"


class RedisProcess:
    """A Redis on a port that stays its own; it keeps nothing when it ends."""

    def __init__(self, folder: Path) -> None:
        ensure({"redis-server": "redis-server"})
        self._folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = Redis(port=self.port, password=PASSWORD)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.client.close()
        self.kill()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD]
        log = (self._folder / "redis.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                ["redis-server", *options], stdout=log, stderr=subprocess.STDOUT, cwd=self._folder
            )
        eventually(self._answers, "Redis to answer", (self._folder / "redis.log").read_text)

    def kill(self) -> None:
        """End it without warning."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def stall(self) -> None:
        """Let it keep its connections and say nothing any more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisError:
            return False

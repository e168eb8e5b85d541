"""Debian's PostgreSQL as a process of its own, with a database for each test; installed where it is missing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import Self

import psycopg
from hack.cluster.packages import ensure

from support.predictor_process import eventually
from support.s3_server import free_port

# It refuses to run as root; the package brings this user.
_USER = "postgres"


class PostgresProcess:
    """A PostgreSQL on a port that stays its own; it ends with its block and keeps nothing."""

    def __init__(self) -> None:
        self._programs = _programs()
        self._folder = Path(tempfile.mkdtemp(prefix="modelloop-postgres-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if os.geteuid() == 0:
            shutil.chown(self._folder, _USER, _USER)
        self._run("initdb", "--pgdata", str(self._folder / "data"), "--username", _USER, "--auth", "trust", "--no-sync")
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = ["-D", str(self._folder / "data"), "-p", str(self.port), "-h", "127.0.0.1", "-k", "", "-F"]
        log = (self._folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", *options], stdout=log, stderr=subprocess.STDOUT, cwd="/", user=_user()
            )
        eventually(self._answers, "PostgreSQL to answer", (self._folder / "log").read_text)

    def stop(self) -> None:
        """End it without waiting for its clients."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(20)
            self._process = None

    def database(self) -> str:
        """The address of a new, empty database."""
        name = f"t{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self._address(name)

    def _address(self, name: str) -> str:
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{name}"

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._address("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, program: str, *arguments: str) -> None:
        command = [self._programs / program, *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", user=_user())


def _user() -> str | None:
    return _USER if os.geteuid() == 0 else None


def _programs() -> Path:
    if not (found := _installed()):
        # Debian puts the server's programs on nobody's PATH.
        ensure({"postgresql": "postgres"})
        found = _installed()
    return found[-1]


def _installed() -> list[Path]:
    return sorted(path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres"))

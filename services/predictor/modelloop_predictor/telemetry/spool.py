"""Keeps chosen requests on the cache volume until a process of its own has brought them to the registry.

One folder for each start of a process, which holds a lock while it lives; in it `about.json` and files of lines, one a
request. A file that has its number alone for a name is closed: the name of its object follows from it.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from modelloop_predictor.logs import event
from modelloop_predictor.telemetry.predictions import Logged

ABOUT, LOCK, OPEN, CLOSED = "about.json", "lock", ".open", ".jsonl"

_MOST_BYTES = 64 << 20
_MOST_FILE_BYTES = 8 << 20


class Spool:
    """Writes the columns `kept` below `folder`, at most `most_bytes`; belongs to one thread."""

    def __init__(
        self,
        folder: Path,
        about: Mapping[str, Any],
        kept: Sequence[int],
        *,
        seconds: float,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        self.folder = folder
        self._about = about
        self._kept = list(kept)
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._number = 0
        self._file: int | None = None
        self._lock: int | None = None
        self._opened = 0.0
        self._bytes = 0
        self._told = False
        self.written = self.dropped = 0

    def open(self) -> None:
        """Make the folder and take its lock; raises OSError."""
        self.folder.mkdir(parents=True)
        self._lock = os.open(self.folder / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # At once or not at all: another process reads it as soon as it is there.
        (self.folder / "about.new").write_bytes(orjson.dumps(self._about))
        (self.folder / "about.new").rename(self.folder / ABOUT)

    def release(self) -> None:
        """Leave the rest to another process; the end of this one does the same, however that happens."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def add(self, chosen: Sequence[Logged], now: float) -> None:
        """Write requests, handed to the kernel when it returns; what finds no room is dropped and counted."""
        if not chosen:
            return
        lines = b"".join(self._line(one) for one in chosen)
        rows = sum(_rows(one) for one in chosen)
        if self._stored() + len(lines) > self._most_bytes:
            self._drop(rows, "the spool is full")
            return
        try:
            self._write(lines, now)
        except OSError as error:
            self._drop(rows, str(error))
            return
        self.written += rows
        self._told = False

    def close_file(self, now: float, *, anyway: bool = False) -> bool:
        """Close what is written when it is old or large enough; whether there is anything to bring away."""
        if self._file is not None and (anyway or now - self._opened >= self._seconds or self._bytes > _MOST_FILE_BYTES):
            os.close(self._file)
            self._file = None
            self._path(OPEN).rename(self._path(CLOSED))
            self._number, self._bytes = self._number + 1, 0
        return any(self.folder.glob(f"*{CLOSED}"))

    def _line(self, one: Logged) -> bytes:
        rows = None if one.rows is None else one.rows[:, self._kept].tolist()
        fields = {"id": one.request_id, "entity": one.entity, "at": one.at, "answers": one.answers, "rows": rows}
        return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)

    def _write(self, lines: bytes, now: float) -> None:
        if self._file is None:
            self._file = os.open(self._path(OPEN), os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._opened, self._bytes = now, 0
        done = os.write(self._file, lines)
        if done < len(lines):
            # A line that is not whole would make one of two: what reads it leaves out a last one that is cut off.
            os.ftruncate(self._file, self._bytes)
            raise OSError(f"{done} of {len(lines)} bytes could be written to {self.folder}")
        self._bytes += done

    def _stored(self) -> int:
        return self._bytes + sum(path.stat().st_size for path in self.folder.glob(f"*{CLOSED}"))

    def _drop(self, rows: int, why: str) -> None:
        self.dropped += rows
        if not self._told:
            self._told = True
            event("capture-dropped", logging.WARNING, reason="SpoolFull", message=why)

    def _path(self, suffix: str) -> Path:
        return self.folder / f"{self._number:06d}{suffix}"


def _rows(one: Logged) -> int:
    return len(one.answers if one.answers is not None else one.rows if one.rows is not None else ())

"""Spools chosen requests, and starts a process every few minutes that brings them to the registry."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Sequence

from modelloop_predictor.logs import event
from modelloop_predictor.telemetry.predictions import Logged
from modelloop_predictor.telemetry.spool import Spool

_LAST_UPLOAD_SECONDS = 5.0
_RETRY_SECONDS = 30.0
_LOOK_SECONDS = 0.5


class Capturing:
    """A Job: writes to `spool` what is chosen, and has it brought away when a file of it is closed."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._process: subprocess.Popen[str] | None = None
        self._retry_at = self._look_at = 0.0
        self.failures = 0

    def add(self, chosen: Sequence[Logged], now: float) -> None:
        """Keep what was chosen."""
        self._spool.add(chosen, now)

    def step(self, now: float) -> None:
        """Close a file when it is time, and start to bring away what is closed."""
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_SECONDS
        waiting = self._spool.close_file(now)
        if self._process is not None and self._process.poll() is not None:
            self._read(now)
        if waiting and self._process is None and now >= self._retry_at:
            self._start()

    def begin(self) -> None:
        """Start to bring away what processes before this one have left."""
        if any(path.is_dir() and path != self._spool.folder for path in self._spool.folder.parent.iterdir()):
            self._start()

    def finish(self, now: float) -> None:
        """Bring away all that is left, for a bounded time."""
        self._wait(now)
        if self._spool.close_file(now, anyway=True):
            self._start()
            self._wait(now)

    def _start(self) -> None:
        command = [sys.executable, "-m", "modelloop_predictor.telemetry.uploads"]
        self._process = subprocess.Popen(  # noqa: S603 - this very interpreter
            [*command, str(self._spool.folder.parent), self._spool.folder.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Of its own session: Ctrl-C on a terminal is for the server, which waits for it.
            start_new_session=True,
        )

    def _wait(self, now: float) -> None:
        if self._process is None:
            return
        try:
            self._process.wait(_LAST_UPLOAD_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._read(now)

    def _read(self, now: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with process:
            said = process.stdout.read() if process.stdout else ""
        try:
            failure = json.loads(said).get("failure")
        except ValueError:
            failure = f"the process that uploads ended with {process.returncode} and said {said[:200]!r}"
        if failure is not None:
            self.failures += 1
            self._retry_at = now + _RETRY_SECONDS
            event("capture-upload-failed", logging.WARNING, reason="UploadFailed", message=failure)

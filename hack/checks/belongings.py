"""The processes of one run, found by a mark in their environment, so that none outlives it however it ends."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import suppress

import psutil
from hack.cluster.processes import RUN_MARK


def new_mark() -> str:
    """Mark every process that is started from now on."""
    mark = secrets.token_hex(8)
    os.environ[RUN_MARK] = mark
    return mark


def of(mark: str) -> list[psutil.Process]:
    """All that carry the mark, and their children without one (some tests start programs in an empty environment)."""
    marked = [process for process in psutil.process_iter() if _mark(process) == mark]
    found = {member for process in marked for member in _family(process, mark)}
    return [process for process in found if process.pid != os.getpid()]


def end(mark: str, patience_seconds: float = 10) -> list[str]:
    """Interrupt them, so that tests clear up after themselves, then kill what is left; says what there was."""
    found = of(mark)
    told = [f"{process.pid} {_words(process)}" for process in found]
    for process in found:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGINT)
    psutil.wait_procs(found, timeout=patience_seconds)
    # Anew: what ends may start another to clear up.
    while left := of(mark):
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=patience_seconds)
    return told


def _family(process: psutil.Process, mark: str) -> Iterator[psutil.Process]:
    yield process
    with suppress(psutil.NoSuchProcess):
        for child in process.children():
            if _mark(child) in (mark, None):
                yield from _family(child, mark)


def _mark(process: psutil.Process) -> str | None:
    try:
        found: str | None = process.environ().get(RUN_MARK)
    except psutil.Error:
        return None
    return found


def _words(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return "(ended)"

"""A process beside the run that ends what the run started when the run, or the `make` around it, was killed."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
from hack.checks import belongings
from hack.cluster.processes import RUN_MARK

# A run that is told to end takes its clusters down first.
_PATIENCE_SECONDS = 60.0


@contextmanager
def guarded(mark: str, around: int | None) -> Iterator[None]:
    """While inside, neither this process nor the one around it can end without all that carries the mark."""
    watched = [str(pid) for pid in (os.getpid(), around) if pid]
    guard = subprocess.Popen(
        [sys.executable, "-m", "hack.checks.guard", mark, *watched],
        # Ctrl-C is for the run, which clears up by itself.
        start_new_session=True,
        env={**os.environ, RUN_MARK: ""},
    )
    yield
    # Not after an exception: then the guard has the last word.
    guard.kill()
    guard.wait()


def main(mark: str, run: str, *around: str) -> None:
    """Wait for the run or the process around it to end; then end the run and all that carries the mark."""
    _wait_for_one(run, *around)
    with suppress(psutil.NoSuchProcess):
        _end(psutil.Process(int(run)))
    belongings.end(mark)


def _wait_for_one(*pids: str) -> None:
    # One that is gone already has ended, too.
    with suppress(ProcessLookupError):
        select.select([os.pidfd_open(int(pid)) for pid in pids], [], [])


def _end(run: psutil.Process) -> None:
    run.terminate()
    try:
        run.wait(_PATIENCE_SECONDS)
    except psutil.TimeoutExpired:
        run.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])

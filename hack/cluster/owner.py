"""Whose a cluster is: the first `up` decides whether it ends with a process, and a watcher sees to that."""

from __future__ import annotations

import json
import os
import select
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from . import processes
from .processes import Server
from .profiles import ROOT, ClusterError, Home
from .shell import say, write

WATCHER = "owner-watcher"


@dataclass(frozen=True)
class Owner:
    """A process; its start tells it from a later one that gets the same number."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Owner:
        """The live process with this number; raises ClusterError when there is none."""
        started = processes.started_at(pid)
        if started is None:
            raise ClusterError(f"--owner-pid {pid}: there is no such process")
        return cls(pid, started)

    def lives(self) -> bool:
        """Whether it has not ended."""
        return processes.started_at(self.pid) == self.started

    def wait(self) -> None:
        """Sleep until it has ended, however it ends."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            # Opened first, compared second: a reused number cannot slip in between.
            if self.lives():
                select.select([handle], [], [])
        finally:
            os.close(handle)


@dataclass(frozen=True)
class Claim:
    """What was decided when the cluster came up; without an owner it stays until somebody takes it down."""

    owner: Owner | None


def settle(found: Claim | None, asked: Owner | None) -> Claim:
    """The claim that holds from now on: the one there is, unless its owner is gone."""
    if found is None or (found.owner is not None and not found.owner.lives()):
        return Claim(asked)
    return found


def claim(home: Home, asked: Owner | None) -> None:
    """Write down whose it is before anything starts, and watch its owner; the caller holds the home's lock."""
    found = settle(read(home), asked)
    write(_path(home), json.dumps(asdict(found)))
    if found.owner is not None:
        watcher = (sys.executable, "-m", "hack.cluster", "watch", "--home", home.name)
        processes.ensure(home, Server(WATCHER, watcher, lambda: True, environment=(("PYTHONPATH", str(ROOT)),)))
    if asked is not None and found.owner != asked:
        ends = f"process {found.owner.pid}" if found.owner else "nobody: it stays until it is taken down"
        say(f"  it was up before process {asked.pid} asked for it, and ends with {ends}")


def read(home: Home) -> Claim | None:
    """What is written down; None where no cluster is."""
    try:
        owner = json.loads(_path(home).read_text())["owner"]
    except FileNotFoundError:
        # Its files are there: somebody brought it up before claims were written down.
        return Claim(None) if home.kubeconfig.exists() else None
    return Claim(Owner(**owner) if owner else None)


def watch(home: Home, end: Callable[[Owner], None]) -> None:
    """Call `end` when the owner has ended, and again for an owner that took over meanwhile."""
    while (found := read(home)) and found.owner:
        found.owner.wait()
        end(found.owner)


def dismiss_watcher(home: Home) -> None:
    """Nothing is left to watch; the watcher itself, which takes down too, goes on to its end."""
    if processes.running(home, WATCHER) != os.getpid():
        processes.stop(home, WATCHER)


def _path(home: Home) -> Path:
    return home.state / "owner.json"

"""However a run of all tests ends, what it started ends with it; clusters' servers are not the run's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from hack.checks import belongings
from hack.cluster.processes import RUN_MARK

from support.killed_runs import RUN_LABEL, left_behind, run_label

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = 3  # the command and its two children, of which one has an empty environment


@dataclass(frozen=True)
class Run:
    """A run inside a shell, as `make` starts it."""

    shell: subprocess.Popen[str]
    mark: str
    pid: int
    server: psutil.Process


@pytest.fixture
def run() -> Iterator[Run]:
    command = f"{sys.executable} tests/support/small_run.py $$; true"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    shell = subprocess.Popen(["bash", "-c", command], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
    assert shell.stdout
    mark, pid, server = shell.stdout.readline().split()
    try:
        _eventually(lambda: len(belongings.of(mark)) == PROGRAMS)
        yield Run(shell, mark, int(pid), psutil.Process(int(server)))
    finally:
        psutil.Process(int(server)).kill()
        shell.kill()
        shell.wait()
        belongings.end(mark, patience_seconds=0.1)
        shell.stdout.close()


@pytest.mark.parametrize("victim", ["the run", "make around it"])
def test_a_kill_leaves_nothing_of_the_run(run: Run, victim: str) -> None:
    os.kill(run.pid if victim == "the run" else run.shell.pid, signal.SIGKILL)
    _eventually(lambda: not belongings.of(run.mark) and not psutil.pid_exists(run.pid))
    assert run.server.is_running()


def test_a_program_that_ignores_the_interrupt_is_killed() -> None:
    mark = "a test's own"
    words = ["bash", "-c", "trap '' INT; echo ready; read"]
    environment = {**os.environ, RUN_MARK: mark}
    stubborn = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert stubborn.stdin
    assert stubborn.stdout
    stubborn.stdout.readline()
    told = belongings.end(mark, patience_seconds=0.1)
    assert told == [f"{stubborn.pid} {' '.join(words)}"]
    assert belongings.of(mark) == []
    stubborn.stdin.close()
    stubborn.stdout.close()


def _eventually(holds: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("label", "swept"),
    [
        pytest.param(lambda mine, ended: ended, True, id="of a run that has ended"),
        pytest.param(lambda mine, ended: mine, False, id="of a run that goes on"),
        pytest.param(lambda mine, ended: mine[:-1], True, id="of an earlier process with the number of one that lives"),
        pytest.param(lambda mine, ended: f"other{ended}", False, id="of another machine"),
        pytest.param(lambda mine, ended: "by-hand", False, id="of nobody known"),
        pytest.param(lambda mine, ended: None, False, id="without a mark"),
    ],
)
def test_of_marked_namespaces_only_those_of_ended_runs_are_left_behind(
    label: Callable[[str, str], str | None], swept: bool
) -> None:
    program = "from support.killed_runs import *; print(run_label()[RUN_LABEL])"
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
    environment = {**os.environ, "PYTHONPATH": path}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()
    value = label(run_label()[RUN_LABEL], ended)
    labels = {} if value is None else {RUN_LABEL: value}
    found = left_behind([{"metadata": {"name": "test-1", "labels": labels}}])
    assert found == (["test-1"] if swept else [])

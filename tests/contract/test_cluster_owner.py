"""Whose a cluster is stands in a file, and a process that ends takes only its own cluster with it."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hack.cluster import owner, processes
from hack.cluster.owner import Claim, Owner
from hack.cluster.profiles import ClusterError, Home

from support.cluster_home import FolderHome


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    found = FolderHome("node", tmp_path)
    found.state.mkdir()
    yield found
    owner.dismiss_watcher(found)


@pytest.fixture
def run() -> Iterator[subprocess.Popen[bytes]]:
    """A process that brings clusters up for itself."""
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def test_a_cluster_without_owner_gets_none_later(home: Home, run: subprocess.Popen[bytes]) -> None:
    owner.claim(home, None)
    owner.claim(home, Owner.of(run.pid))
    assert owner.read(home) == Claim(None)
    assert processes.known(home) == []


def test_a_cluster_from_before_claims_were_written_down_has_no_owner(home: Home, run: subprocess.Popen[bytes]) -> None:
    home.kubeconfig.touch()
    owner.claim(home, Owner.of(run.pid))
    assert owner.read(home) == Claim(None)


def test_a_second_owner_does_not_take_over(home: Home, run: subprocess.Popen[bytes]) -> None:
    first = Owner.of(os.getpid())
    owner.claim(home, first)
    owner.claim(home, Owner.of(run.pid))
    assert owner.read(home) == Claim(first)
    assert processes.running(home, owner.WATCHER)


def test_a_killed_owner_takes_its_cluster_with_it(home: Home, run: subprocess.Popen[bytes]) -> None:
    mine = Owner.of(run.pid)
    owner.claim(home, mine)
    owner.dismiss_watcher(home)
    ended: list[Owner] = []

    def end(who: Owner) -> None:
        ended.append(who)
        (home.state / "owner.json").unlink()

    watcher = threading.Thread(target=owner.watch, args=(home, end), daemon=True)
    watcher.start()
    assert ended == []
    run.kill()
    run.wait()
    watcher.join(timeout=10)
    assert ended == [mine]


def test_there_is_no_claim_for_a_process_that_does_not_run(run: subprocess.Popen[bytes]) -> None:
    run.kill()
    run.wait()
    with pytest.raises(ClusterError, match=f"--owner-pid {run.pid}: there is no such process"):
        Owner.of(run.pid)

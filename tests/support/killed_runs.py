"""Marks the namespaces of a test run with its process, and finds those that a killed run could not clear away."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterable
from typing import Any

from hack.cluster.processes import started_at

RUN_LABEL = "modelloop.dev/test-run"


def run_label() -> dict[str, str]:
    """The label of what this process makes."""
    return {RUN_LABEL: f"{_machine()}-{os.getpid()}-{started_at(os.getpid())}"}


def left_behind(namespaces: Iterable[dict[str, Any]]) -> list[str]:
    """Names of those whose run was on this machine and has ended; of other machines nothing can be told."""
    return [found["metadata"]["name"] for found in namespaces if _has_ended(found["metadata"].get("labels", {}))]


def _has_ended(labels: dict[str, str]) -> bool:
    machine, _, process = labels.get(RUN_LABEL, "").partition("-")
    pid, _, started = process.partition("-")
    # The start tells the run from a later process that got its number.
    return machine == _machine() and pid.isdigit() and started_at(int(pid)) != started


def _machine() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:12]

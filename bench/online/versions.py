"""Versions of what is installed apart from the predictor: the reference servers and the programs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from bench.online.plan import inherited

_ASK = "from importlib.metadata import version; print(version('mosec'), version('kserve'))"


def versions(bench_python: Path) -> dict[str, str]:
    """By name; "not installed" where there is none."""
    servers = _said([bench_python, "-c", _ASK]).split()
    mosec, kserve = servers if len(servers) == 2 else ("not installed", "not installed")
    found = {"mosec": mosec, "kserve": kserve}
    for program, flag in (("wrk", "-v"), ("nginx", "-v")):
        number = re.search(r"\d+(\.\d+)+", _said([program, flag]))
        found[program] = number[0] if number else "not installed"
    return found


def _said(command: list[str | Path]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=inherited())
    except OSError:
        return ""
    return done.stdout + done.stderr

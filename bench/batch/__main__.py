"""`python -m bench.batch`: 2 million rows of 20 floats scored by us and by others, each a process, round by round.

Ratios are of medians of this run. Exit code 0 when it ran, goals met or not.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.batch.goals import goals_of
from bench.report import RESULTS, publish

ROWS, FEW, MANY = 2_000_000, 1_000_000, 20_000_000
ROUNDS = 5
DEADLINE_SECONDS = 540
ROOT = RESULTS.parents[1]
RAY = ROOT / ".cache/batch-venv/bin/python"
CONTENDER = Path(__file__).with_name("contender.py")
NOTES = {
    "separately-torch": "read, forward and write of the lean loop, one after the other",
    "lean-torch": "pyarrow, TorchScript, blocks of 1,024; no check, no count",
    "modelloop-torch": "checks, drift profile, verdict, manifest included",
    "separately-onnx": "read, forward and write of the lean loop, one after the other",
    "lean-onnx": "pyarrow, ONNX Runtime, blocks of 1,024; no check, no count",
    "modelloop-onnx": "checks, drift profile, verdict, manifest included",
    "pandas": "a frame, a tensor, one forward",
    "ray-torch": "Ray Data, its actors as its documentation has them, once",
}


@dataclass(frozen=True)
class Measured:
    """One process: seconds of its work, of its life, and the most memory that it and its children held."""

    said: dict[str, float]
    whole: float
    megabytes: float


def main() -> int:
    """Read the command line, run, publish."""
    parser = argparse.ArgumentParser(prog="bench-batch", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="of the table (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each contender (default %(default)s)")
    parser.add_argument("--many", type=int, default=MANY, help="rows of the table that shows memory (%(default)s)")
    asked = parser.parse_args()
    began, threads = time.monotonic(), min(2, os.cpu_count() or 1)
    with tempfile.TemporaryDirectory(prefix="bench-batch-") as name:
        folder = Path(name)
        few = min(FEW, asked.rows)
        _make(folder, {asked.rows, few, asked.many})
        runs = _rounds(folder, asked.rows, asked.rounds, threads, DEADLINE_SECONDS / 2)
        rows = [_row(contender, runs.get(contender, []), asked.rows) for contender in NOTES]
        growth = {kind: _growth(kind, folder, few, asked.many, threads) for kind in ("torch", "onnx")}
        shards = _by_processes(folder, asked.rows)
    folder = RESULTS if (asked.rows, asked.many) == (ROWS, MANY) else ROOT / ".cache/bench"
    more = {"memory": [{"runtime": kind, **found} for kind, found in growth.items()], "shards": shards}
    goals = goals_of(rows, growth, shards)
    publish(
        "batch", rows, goals, ("numpy", "pyarrow", "torch", "onnxruntime"), others=_versions(), more=more, folder=folder
    )
    sys.stdout.write(f"{time.monotonic() - began:.0f} s in all\n")
    return 0


def _make(folder: Path, sizes: set[int]) -> None:
    command = [sys.executable, "-m", "bench.batch.make", str(folder), *map(str, sorted(sizes))]
    subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)


def _rounds(folder: Path, rows: int, rounds: int, threads: int, seconds: float) -> dict[str, list[Measured]]:
    """Every contender once in each round, so that a slow minute is everybody's; Ray, which takes long, in the first."""
    runs: dict[str, list[Measured]] = {}
    until = time.monotonic() + seconds
    for number in range(rounds):
        for contender in NOTES:
            if contender.startswith("ray") and (number or not RAY.exists()):
                continue
            if time.monotonic() < until:
                runs.setdefault(contender, []).append(_measured(contender, folder, rows, threads))
    return runs


def _measured(contender: str, folder: Path, rows: int, threads: int) -> Measured:
    output = folder / "output"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir()
    python = RAY if contender.startswith("ray") else Path(sys.executable)
    command = [str(python), str(CONTENDER), contender, str(folder), str(rows), str(output), str(threads)]
    begun = time.monotonic()
    with subprocess.Popen(command, cwd=folder, env=_environment(), stdout=subprocess.PIPE, text=True) as process:
        peak = _watched(process)
        assert process.stdout is not None
        said = process.stdout.read()
    if process.returncode:
        raise RuntimeError(f"{contender} ended with {process.returncode}")
    usage = peak / 1e6
    return Measured(json.loads(said.splitlines()[-1]), time.monotonic() - begun, usage)


def _watched(process: subprocess.Popen[str]) -> float:
    """The most bytes that the process and its children held together, until it ends."""
    peak, root = 0.0, psutil.Process(process.pid)
    while process.poll() is None:
        held = 0
        for one in [root, *_children(root)]:
            try:
                held += one.memory_info().rss
            except psutil.Error:
                continue
        peak = max(peak, held)
        time.sleep(0.02)
    return peak


def _children(root: psutil.Process) -> Sequence[psutil.Process]:
    try:
        return root.children(recursive=True)
    except psutil.Error:
        return ()


def _environment() -> dict[str, str]:
    # OMP counts for numpy alone: torch is told by each contender how many threads it has.
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def _row(contender: str, runs: Sequence[Measured], rows: int) -> dict[str, Any]:
    if not runs:
        return {"what": contender, "in process s": None, "whole s": None, "MB": None, "M rows/s": None, "cpu s": None,
                "rounds": 0, "note": f"not run; {NOTES[contender]}"}  # fmt: skip
    inside = statistics.median(run.said["in process s"] for run in runs)
    return {
        "what": contender,
        "in process s": inside,
        "whole s": statistics.median(run.whole for run in runs),
        "MB": statistics.median(run.megabytes for run in runs),
        "M rows/s": rows / inside / 1e6,
        "cpu s": statistics.median(run.said["cpu s"] for run in runs),
        "rounds": len(runs),
        "note": NOTES[contender],
    }


def _growth(kind: str, folder: Path, few: int, many: int, threads: int) -> dict[str, float]:
    """Peak memory of two tables, the second one many times as long."""
    found = {rows: _measured(f"modelloop-{kind}", folder, rows, threads).megabytes for rows in (few, many)}
    return {"rows": many, f"MB at {few:,} rows": found[few], f"MB at {many:,} rows": found[many],
            "growth": found[many] / found[few]}  # fmt: skip


def _by_processes(folder: Path, rows: int) -> list[dict[str, Any]]:
    """One table in four shards, shared by 1, 2 and 4 processes of one thread, as the pods of a Job share it."""
    table = []
    for processes in (1, 2, 4):
        output = folder / "output"
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir()
        command = [sys.executable, "-m", "bench.batch.pod", str(folder), str(rows), str(output)]
        begun = time.monotonic()
        pods = [
            subprocess.Popen([*command, *map(str, range(first, 4, processes))], cwd=ROOT, env=_environment(),
                             stdout=subprocess.PIPE, text=True)
            for first in range(processes)
        ]  # fmt: skip
        said = [json.loads(pod.communicate()[0].splitlines()[-1]) for pod in pods]
        first, last = min(one["begun"] for one in said), max(one["ended"] for one in said)
        seconds = last - first
        table.append({"pods": processes, "shards": 4, "scoring s": seconds, "M rows/s": rows / seconds / 1e6,
                      "whole s": time.monotonic() - begun, "cores": os.cpu_count()})  # fmt: skip
    return table


def _versions() -> dict[str, str]:
    if not RAY.exists():
        return {"ray": "not installed"}
    ask = "from importlib.metadata import version; print(version('ray'))"
    return {"ray": subprocess.run([RAY, "-c", ask], capture_output=True, text=True).stdout.strip()}


if __name__ == "__main__":
    sys.exit(main())

"""A long run against one predictor whose memory is looked at: `make bench-soak`.

Ends after a number of requests or of seconds, whichever comes first; a run as it is by default writes
bench/results/soak.json, any other one below .cache/bench.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.markdown import GOALS, table, where
from bench.online.generator import drive, write_requests
from bench.online.plan import PLAN, ROOT, Load, inherited
from bench.online.pool import Pool
from bench.online.process import Server
from bench.report import RESULTS, Goal, publish

SERVER = "modelloop torch"
A_DAY = 8_640_000
SECONDS = 570.0
SLICE_SECONDS = 5
SETTLE_SLICES = 2
LOAD = Load("predict", 1, 64)
GROWTH_BOUND = 0.02


@dataclass(frozen=True)
class Sample:
    """Where a soak stood at the end of a slice; `answered` and `failed` requests since its begin."""

    seconds: float
    answered: int
    failed: int
    memory_mib: float


def main() -> int:
    """Read the command line, run each server in turn, publish."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="bench-soak-") as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-m", "bench.online.models", folder], check=True, env=inherited())
        samples = list(soak(folder, options.server, options.requests, options.seconds))
    row, goals = summary(options.server, samples, options.requests)
    whole = (options.server, options.requests, options.seconds) == (SERVER, A_DAY, SECONDS)
    folder = RESULTS if whole else ROOT / ".cache/bench"
    publish(
        "soak", [row], goals, ("torch", "onnxruntime", "uvicorn"), more={"samples": thinned(samples)}, folder=folder
    )
    return 0


def soak(folder: Path, name: str, requests: int, seconds: float) -> Iterator[Sample]:
    """Drive the server in slices until it has answered so many requests, or the time is over."""
    contender = next(one for one in PLAN if one.name == name)
    pool = Pool.read(folder / "pool.npz")
    file = write_requests(folder / "requests", pool.requests(LOAD))
    load_core, server_core = sorted(os.sched_getaffinity(0))[:2]
    done = failed = 0
    with Server(contender, server_core, folder, folder / "server", pool.first_request(contender)) as server:
        pool.check(server, LOAD)
        began = time.monotonic()
        while done < requests and time.monotonic() - began + SLICE_SECONDS <= seconds:
            stretch = drive(server, LOAD, file, core=load_core, seconds=SLICE_SECONDS)
            done, failed = done + stretch.requests - stretch.refused, failed + stretch.failed
            sample = Sample(time.monotonic() - began, done, failed, server.memory_mib())
            print(f"bench-soak: {sample.seconds:.0f} s, {done:,} requests, {sample.memory_mib:.1f} MiB", flush=True)
            yield sample
        pool.check(server, LOAD)


def summary(name: str, samples: list[Sample], asked: int) -> tuple[dict[str, object], list[Goal]]:
    """The row and goals of a soak; memory grows from the end of the settling slices to the median of the last tenth."""
    settled = samples[min(SETTLE_SLICES, len(samples)) - 1]
    last = samples[-1]
    end = statistics.median(sample.memory_mib for sample in samples[-max(1, len(samples) // 10) :])
    growth = end - settled.memory_mib
    long_enough = len(samples) > SETTLE_SLICES
    row: dict[str, object] = {
        "server": name,
        "answered": last.answered,
        "failed": last.failed,
        "seconds": last.seconds,
        "memory MiB, settled": settled.memory_mib,
        "memory MiB, end": end,
        "memory MiB, most": max(sample.memory_mib for sample in samples),
        "growth MiB": growth,
    }
    relative = growth / settled.memory_mib if long_enough else None
    goals = [
        Goal("requests answered", f">= {asked:,}", float(last.answered), last.answered >= asked),
        Goal("requests without a prediction", "0", float(last.failed), last.failed == 0),
        Goal("growth of memory", f"<= {GROWTH_BOUND:g}", relative, relative is not None and relative <= GROWTH_BOUND),
    ]
    return row, goals


def tables(result: Mapping[str, Any]) -> str:
    """The stored result as a table of the page."""
    columns = ("server", "answered", "failed", "seconds", "memory MiB, settled", "memory MiB, end", "memory MiB, most")
    rows = table({name: name for name in columns}, result["rows"])
    return "\n\n".join([f"{where(result)}.", rows, table(GOALS, result["goals"])])


def thinned(samples: list[Sample], most: int = 30) -> list[dict[str, object]]:
    """At most so many samples, the last among them, as rows."""
    step = -(-len(samples) // most)
    kept = samples[::-1][::step][::-1]
    return [{"seconds": one.seconds, "answered": one.answered, "memory MiB": one.memory_mib} for one in kept]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench-soak", description="Memory of a predictor over many requests.")
    names = [one.name for one in PLAN if LOAD in one.loads and not one.constant]
    parser.add_argument("--server", default=SERVER, choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--requests", type=int, default=A_DAY, help="to answer (default %(default)s: 100/s for a day)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="at most (default %(default)s)")
    options = parser.parse_args()
    if options.requests < 1 or options.seconds < SLICE_SECONDS:
        parser.error(f"--requests is at least 1, --seconds at least {SLICE_SECONDS}")
    return options


if __name__ == "__main__":
    sys.exit(main())

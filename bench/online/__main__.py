"""`python -m bench.online`: run, print, store; the exit code is 0 when it ran, goals met or not."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from bench.online.goals import judge
from bench.online.plan import BENCH_PYTHON, ROOT, chosen, inherited
from bench.online.results import load_rows, run_row, start_rows
from bench.online.run import Bench, say
from bench.online.versions import versions
from bench.report import RESULTS, publish

BUDGET_SECONDS = 580.0
ROUNDS, SECONDS = 5, 2
PACKAGES = ("torch", "onnxruntime", "numpy", "fastapi", "uvicorn", "uvloop", "httptools", "orjson", "pydantic")


def main() -> int:
    """Read the command line, run, publish."""
    options = _options()
    obstacle = _obstacle()
    if obstacle:
        print(f"bench-online: {obstacle}", file=sys.stderr)
        return 1
    cores = sorted(os.sched_getaffinity(0))
    began, load_before = time.monotonic(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="bench-online-") as folder:
        bench = Bench(
            folder=Path(folder), contenders=chosen(options.only), rounds=options.rounds, seconds=options.seconds,
            deadline=began + BUDGET_SECONDS, load_core=cores[0], server_core=cores[1],
        )  # fmt: skip
        results = bench.run()
    whole = not options.only and (options.rounds, options.seconds) == (ROUNDS, SECONDS)
    say(f"ran for {time.monotonic() - began:.0f} s" + ("" if whole else "; only a part, so the stored result stays"))
    more = {"starts": start_rows(results), "run": [run_row(results, options.seconds, load_before)]}
    publish(
        "online", load_rows(results), judge(results), PACKAGES, others=versions(BENCH_PYTHON), more=more,
        folder=RESULTS if whole else ROOT / ".cache/bench",
    )  # fmt: skip
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench-online", description="The predictor against reference servers.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="interleaved rounds (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of load in each stretch (default %(default)s)")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="servers whose name contains NAME")
    options = parser.parse_args()
    if options.rounds < 1 or options.seconds < 1:
        parser.error("--rounds and --seconds are at least 1")
    if not chosen(options.only):
        parser.error(f"no server's name contains any of {options.only}")
    return options


def _obstacle() -> str:
    """Why nothing can be measured here; empty when it can."""
    path = inherited()["PATH"]
    missing = [program for program in ("wrk", "taskset") if not shutil.which(program, path=path)]
    if missing:
        return f"needs {' and '.join(missing)}: apt-get install wrk util-linux"
    if len(os.sched_getaffinity(0)) < 2:
        return "needs two cores: one for the server, one for the load"
    return ""


if __name__ == "__main__":
    sys.exit(main())

"""`python -m hack.checks`: runs every layer, says at the end what ran and what could not, and fails if any did."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from hack.checks import belongings
from hack.checks.guard import guarded
from hack.checks.layers import Layer, Result, run_all, take_down
from hack.checks.machine import Here
from hack.cluster.owner import Owner

_MAKE = ("make", "--no-print-directory")
_PYTEST = (sys.executable, "-m", "pytest", "-q")
LAYERS = (
    Layer("lint", (*_MAKE, "lint")),
    Layer("unit", (*_MAKE, "unit")),
    Layer("contract", (*_MAKE, "contract")),
    Layer("cluster", (*_PYTEST, "-n", "2", "tests/cluster"), cluster="control-plane"),
    Layer("images", (sys.executable, "-m", "hack.cluster", "images"), cluster="node"),
    Layer("ingress", (sys.executable, "-m", "hack.cluster", "ingress"), cluster="node"),
    Layer("e2e", (*_PYTEST, "tests/e2e"), cluster="node", after="images"),
)


def main() -> int:
    """Exit code 0 only when every layer ran and passed, and nothing of them could not be cleared away."""
    parser = argparse.ArgumentParser(prog="python -m hack.checks", description=__doc__)
    parser.add_argument("--around", type=int, metavar="N", help="end when process N does, such as the make around it")
    around = parser.parse_args().around
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _leave)
    mark, machine = belongings.new_mark(), Here(Owner.of(os.getpid()))
    results: list[Result] = []
    with guarded(mark, around):
        try:
            for result in run_all(LAYERS, machine):
                results.append(result)
        finally:
            results += _clear_up(mark, machine)
            print("\n=== layers", *results, sep="\n", flush=True)
    return 0 if all(result.good for result in results) else 1


def _clear_up(mark: str, machine: Here) -> list[Result]:
    for words in belongings.end(mark):
        print(f"ended what was left behind: {words}", file=sys.stderr)
    return take_down(LAYERS, machine)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())

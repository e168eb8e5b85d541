"""`python -m bench.gateway`: a constant rate through the Gateway to real pods; the exit code is 0 when it ran."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hack.demo.cluster import DemoFailed

from bench.gateway.paced import Stretch, drive
from bench.gateway.stage import PODS, Model, serving
from bench.online.goals import at_least, at_most
from bench.online.plan import PLAN, ROOT, Load
from bench.online.pool import Pool
from bench.report import RESULTS, Goal, publish

RATE, SECONDS, CONNECTIONS = 1000, 30, 32
WIRES = ("predict", "V2 JSON")
WARM_SECONDS = 2
P99_MS = 100
# What the last answer takes is part of the time, and keeps the rate a little below the one asked for.
REACHED = 0.99
SERVED = next(one for one in PLAN if one.name == "modelloop onnx")
PACKAGES = ("onnxruntime", "uvicorn", "uvloop", "httptools")
Row = dict[str, object]


@dataclass(frozen=True)
class Measured:
    """One stretch by one wire: CPU seconds that predictors and Envoy took for it, load average before and after."""

    wire: str
    asked: int
    stretch: Stretch
    predictors: float
    envoy: float
    busy: tuple[float, float] = (0.0, 0.0)

    @property
    def row(self) -> Row:
        """Rate and latency."""
        return {
            "wire": self.wire,
            "req/s asked": self.asked,
            "req/s": round(self.stretch.rate, 1),
            "failed": len(self.stretch.failures),
            "p50 ms": self.stretch.wait_ms(50),
            "p99 ms": self.stretch.wait_ms(99),
            "longest ms": self.stretch.wait_ms(100),
            "sent late p99 ms": self.stretch.late_ms(99),
            "load average before": self.busy[0],
            "at the end": self.busy[1],
        }

    @property
    def cpu(self) -> Row:
        """What a core carries, of the predictors and of Envoy."""
        answered = len(self.stretch.waits)
        return {
            "wire": self.wire,
            "pods": PODS,
            "predictors CPU s": self.predictors,
            "req/s per predictor core": answered / self.predictors if self.predictors else None,
            "Envoy CPU s": self.envoy,
            "req/s per Envoy core": answered / self.envoy if self.envoy else None,
            "load generator CPU s": self.stretch.own_cpu_seconds,
        }

    @property
    def goals(self) -> list[Goal]:
        """Rate, latency and failures."""
        p99 = self.stretch.wait_ms(99)
        return [
            at_least(f"{self.wire}, requests/s of {self.asked:,} asked", REACHED * self.asked, self.stretch.rate),
            at_most(f"{self.wire}, p99 ms from the moment a request was meant to leave", P99_MS, p99),
            at_most(f"{self.wire}, failed requests", 0, float(len(self.stretch.failures))),
        ]


def main() -> int:
    """Read the command line, run, publish."""
    options = _options()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-gateway-") as folder:
            say("bringing a model onto the cluster")
            with serving(Path(folder), SERVED) as (model, pool):
                found = [measure(model, pool, wire, options.rate, options.seconds) for wire in WIRES]
    except DemoFailed as error:
        print(f"bench-gateway: {error}", file=sys.stderr)
        return 1
    whole = (options.rate, options.seconds) == (RATE, SECONDS)
    publish(
        "gateway", [one.row for one in found], [goal for one in found for goal in one.goals], PACKAGES,
        more={"cpu": [one.cpu for one in found]}, folder=RESULTS if whole else ROOT / ".cache/bench",
    )  # fmt: skip
    return 0


def measure(model: Model, pool: Pool, wire: str, rate: int, seconds: int) -> Measured:
    """One stretch of load by one wire, after a part of the answers was found right."""
    load = Load(wire, 1, CONNECTIONS)
    pool.check(model, load)
    requests = pool.requests(load)
    drive(model.address, requests, rate=rate, seconds=WARM_SECONDS, connections=CONNECTIONS)
    say(f"{wire}: {rate} requests/s for {seconds} s")
    busy = os.getloadavg()[0]
    before = model.cpu_seconds()
    stretch = drive(model.address, requests, rate=rate, seconds=seconds, connections=CONNECTIONS)
    after = model.cpu_seconds()
    if stretch.failures:
        say(f"{wire}: {len(stretch.failures)} failed, first {stretch.failures[0]}")
    return Measured(wire, rate, stretch, after[0] - before[0], after[1] - before[1], (busy, os.getloadavg()[0]))


def say(text: str) -> None:
    """One line of progress."""
    print(f"bench-gateway: {text}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench-gateway", description="A constant rate through the Gateway.")
    parser.add_argument("--rate", type=int, default=RATE, help="requests a second (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of load by each wire (default %(default)s)")
    options = parser.parse_args()
    if not 1 <= options.rate <= 20_000 or not 1 <= options.seconds <= 120:
        parser.error("--rate is from 1 to 20,000, --seconds from 1 to 120")
    return options


if __name__ == "__main__":
    sys.exit(main())

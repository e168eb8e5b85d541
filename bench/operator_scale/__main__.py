"""Memory, idle CPU, writes in steady state, time from event to write, and 100 rollouts at once, beside a monitor.

Each MLModel has a registry of its own in a local object store, polled at the default interval.
`python -m bench.operator_scale [COUNT]` ends within ten minutes; `--linear` measures 500, 1,000 and 2,000 MLModels one
after the other instead, without rollouts, in about half an hour.
"""

from __future__ import annotations

import argparse
import statistics
import sys

from bench.operator_scale import meters, models, rollouts
from bench.operator_scale.stage import Stage, a_stage, say, wait
from bench.report import Goal, publish

SETTLE_SECONDS = 420.0
IDLE_SECONDS = 60.0
EVENTS = 100
LINEAR = (500, 1000, 2000)
MOST_GROWTH = 1.2
_PACKAGES = ("kopf", "kubernetes", "boto3", "pydantic")

Row = dict[str, object]


def main() -> int:
    """Run and publish; the exit code is 0 when it ran, goals met or not."""
    parser = argparse.ArgumentParser(prog="python -m bench.operator_scale", description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=1000, help="MLModels; 1,000 unless said otherwise")
    parser.add_argument("--rollouts", type=int, default=100, help="of which so many get new versions at once")
    parser.add_argument("--linear", action="store_true", help=f"measure {', '.join(map(str, LINEAR))} MLModels")
    wanted = parser.parse_args()
    if wanted.linear:
        rows = [_at_rest(count, staged=0) for count in LINEAR]
        publish("operator-linear", rows, _linear_goals(rows), _PACKAGES)
        return 0
    with a_stage() as stage:
        staged = min(wanted.rollouts, wanted.count)
        row = _measure(stage, wanted.count, staged)
        rolled = rollouts.measure(stage, staged)
    publish("operator", [row], [*_goals(row), *rollouts.goals(rolled)], _PACKAGES, more={"rollouts": [rolled]})
    return 0


def _at_rest(count: int, staged: int) -> Row:
    with a_stage() as stage:
        return _measure(stage, count, staged)


def _measure(stage: Stage, count: int, staged: int) -> Row:
    """What `count` MLModels cost at rest and when one changes; `staged` of them have a gateway and steps."""
    say(f"publishing {count} registries")
    models.publish(stage, range(count), "1.0.0")
    empty = stage.memory_mib()
    say(f"applying {count} MLModels")
    before = meters.now()
    models.apply(stage, count, staged)
    converged = wait(lambda: meters.serving() >= count, SETTLE_SECONDS, lambda: f"{meters.serving()} of {count} ready")
    first_seconds = meters.now() - before
    say(f"{'all' if converged else 'NOT all'} ready after {first_seconds:.0f} s; waiting for writes to end")
    wait(meters.Quiet(), 60, lambda: "writes go on")
    idle_cores, idle_writes = meters.over(stage, IDLE_SECONDS)
    memory = stage.memory_mib()
    say(f"changing {EVENTS} MLModels, one after the other")
    latencies = models.seconds_to_write(range(max(0, count - EVENTS), count))
    return {
        "mlmodels": count,
        "ready": meters.serving(),
        "first convergence s": first_seconds,
        "memory MiB": memory,
        "memory MiB, none": empty,
        "memory KiB a model": (memory - empty) * 1024 / count,
        "idle cores": idle_cores,
        "idle millicores a model": 1000 * idle_cores / count,
        "idle writes": idle_writes,
        "event to write p50 ms": statistics.median(latencies) * 1000,
        "event to write p99 ms": statistics.quantiles(latencies, n=100)[98] * 1000,
        "pass p99 ms": meters.quantile("modelloop_operator_pass_seconds", 0.99) * 1000,
    }


def _goals(row: Row) -> list[Goal]:
    memory, cores, writes = (float(str(row[name])) for name in ("memory MiB", "idle cores", "idle writes"))
    return [
        Goal("memory of 1,000 MLModels", "<= 150 MiB", memory, memory <= 150),
        Goal("idle CPU of 1,000 MLModels, polling included", "<= 0.1 core", cores, cores <= 0.1),
        Goal("writes in steady state", "0", writes, writes == 0),
    ]


def _linear_goals(rows: list[Row]) -> list[Goal]:
    """Linear: a model among many costs no more than one among few, but for what the measurement cannot tell."""
    found = []
    for name in ("memory KiB a model", "idle millicores a model"):
        growth = float(str(rows[-1][name])) / max(float(str(rows[0][name])), 1e-9)
        title = f"{name}, {LINEAR[-1]:,} MLModels against {LINEAR[0]}"
        found.append(Goal(title, f"<= {MOST_GROWTH} times", growth, growth <= MOST_GROWTH))
    return found


if __name__ == "__main__":
    sys.exit(main())

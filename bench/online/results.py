"""What a run found, as values: stretches of load by server and load, starts by server, and rows of the table."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.online.generator import Stretch
from bench.online.plan import Load

Figure = Callable[[Stretch], float]
Row = dict[str, object]


@dataclass
class Results:
    """Rounds stand in order: round number n of two servers ran within a minute of each other."""

    stretches: dict[tuple[str, Load], list[Stretch]] = field(default_factory=dict)
    missing: dict[tuple[str, Load], str] = field(default_factory=dict)
    cold_seconds: dict[str, list[float]] = field(default_factory=dict)
    memory_mib: dict[str, float] = field(default_factory=dict)
    import_torch_seconds: list[float] = field(default_factory=list)

    def sound(self, server: str, load: Load) -> list[Stretch] | None:
        """The rounds of one row; None when it did not run or a request failed."""
        rounds = self.stretches.get((server, load))
        return rounds if rounds and not any(stretch.failed for stretch in rounds) else None

    def ratio(self, ours: str, our_load: Load, reference: str, load: Load, figure: Figure) -> float | None:
        """The median over the rounds of our figure by the reference's in the same round; None when one is missing."""
        mine, theirs = self.sound(ours, our_load), self.sound(reference, load)
        if mine is None or theirs is None:
            return None
        return statistics.median(figure(one) / figure(other) for one, other in zip(mine, theirs, strict=False))

    def cold(self, server: str) -> float | None:
        """The median start of a server."""
        return median(self.cold_seconds.get(server, []))

    def import_torch(self) -> float | None:
        """The median time of `import torch`."""
        return median(self.import_torch_seconds)


def median(values: list[float]) -> float | None:
    """The median; None of nothing."""
    return statistics.median(values) if values else None


def load_rows(results: Results) -> list[Row]:
    """One row for each server and load: medians over the rounds, with the spread of the requests per second."""
    keys = [*results.stretches, *(key for key in results.missing if key not in results.stretches)]
    return [_load_row(results, server, load) for server, load in keys]


def start_rows(results: Results) -> list[Row]:
    """One row for each server that was started alone, and one for `import torch`."""
    rows: list[Row] = [
        {"server": name, "cold start s": results.cold(name), "memory MiB": results.memory_mib.get(name)}
        for name in results.cold_seconds
    ]
    return [*rows, {"server": "import torch, alone", "cold start s": results.import_torch(), "memory MiB": None}]


def run_row(results: Results, seconds: int, load_before: float) -> Row:
    """How much was measured, and what else ran before it: over 0.5 or so means that the machine was not quiet."""
    rounds = max((len(found) for found in results.stretches.values()), default=0)
    return {"rounds": rounds, "seconds each": seconds, "load average before": load_before}


def _load_row(results: Results, server: str, load: Load) -> Row:
    rounds = results.stretches.get((server, load), [])
    rates = [stretch.per_second for stretch in rounds]
    failed = sum(stretch.failed for stretch in rounds)
    return {
        "server": server,
        "wire": load.wire,
        "rows": load.rows,
        "connections": load.connections,
        "req/s": median(rates),
        "least": min(rates, default=None),
        "most": max(rates, default=None),
        "p50 ms": median([stretch.p50_us / 1e3 for stretch in rounds]),
        "p99 ms": median([stretch.p99_us / 1e3 for stretch in rounds]),
        "CPU us/req": median([stretch.cpu_us for stretch in rounds]),
        "note": results.missing.get(
            (server, load), f"FAILED: {failed} requests without a prediction" if failed else ""
        ),
    }

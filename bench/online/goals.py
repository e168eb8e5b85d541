"""The goals of serving online: each a figure of this run against its bound, or None where the run cannot say."""

from __future__ import annotations

from collections.abc import Iterator

from bench.online.generator import Stretch
from bench.online.plan import FLAT, LARGE, MANY_ROWS, Load
from bench.online.results import Results
from bench.report import Goal

TORCH, ONNX = "modelloop torch", "modelloop onnx"
COUNTING = "modelloop torch, counting"
TUNED = "FastAPI tuned"
KSERVE = "KServe torch"
AT = {connections: Load("predict", 1, connections) for connections in FLAT}
FLAT_BOUND = 1.1


def judge(results: Results) -> list[Goal]:
    """Every goal, in a fixed order, measurable or not."""
    return [*_throughput(results), *_latency(results), *_starts(results), *_flat(results)]


def _throughput(results: Results) -> Iterator[Goal]:
    def ratio(name: str, bound: float, ours: str, reference: str, load: Load) -> Goal:
        return at_least(name, bound, results.ratio(ours, load, reference, load, _rate))

    yield ratio("one row, c=16, torch / tuned FastAPI", 8, TORCH, TUNED, AT[16])
    yield ratio("one row, c=64, torch / tuned FastAPI", 12, TORCH, TUNED, AT[64])
    yield ratio("one row, c=64, torch / mosec torch", 1.2, TORCH, "mosec torch", AT[64])
    yield ratio("one row, c=64, ONNX Runtime / mosec ONNX Runtime", 1.5, ONNX, "mosec onnx", AT[64])
    for connections in (16, 64):
        load = Load("V2 JSON", 1, connections)
        yield ratio(f"V2 JSON, one row, c={connections}, torch / KServe", 30, TORCH, KSERVE, load)
    yield ratio("32 rows, c=16, torch / tuned FastAPI", 3.5, TORCH, TUNED, MANY_ROWS)
    yield ratio("one row, c=64, counting / not", 0.95, COUNTING, TORCH, AT[64])
    yield ratio("32 rows, c=16, counting / not", 0.85, COUNTING, TORCH, MANY_ROWS)
    large = ("modelloop torch, large model", "FastAPI tuned, large model")
    yield ratio("large model, one row, c=16, torch / tuned FastAPI", 5, *large, LARGE)


def _latency(results: Results) -> Iterator[Goal]:
    p50 = results.ratio(TORCH, AT[1], TUNED, AT[1], lambda stretch: stretch.p50_us)
    yield at_most("p50 at c=1, torch / tuned FastAPI", 0.55, p50)
    p99 = results.ratio(TORCH, AT[64], TUNED, AT[64], lambda stretch: stretch.p99_us)
    yield at_most("p99 at c=64, torch / tuned FastAPI", 0.25, p99)


def _starts(results: Results) -> Iterator[Goal]:
    cold, torch = results.cold(TORCH), results.import_torch()
    left = None if cold is None or torch is None else cold - 1.1 * torch
    yield at_most("cold start with torch, s beyond 1.1 x import torch", 0.3, left)
    yield at_most("cold start with ONNX Runtime, s", 0.8, results.cold(ONNX))
    memory = results.memory_mib
    ours, tuned = memory.get(TORCH), memory.get(TUNED)
    yield at_most("memory, torch / tuned FastAPI", 1.1, None if ours is None or tuned is None else ours / tuned)
    yield at_most("memory with ONNX Runtime, MiB", 120, memory.get(ONNX))


def _flat(results: Results) -> Iterator[Goal]:
    for server in (TORCH, ONNX):
        costs = [results.ratio(server, AT[number], server, AT[1], _cost) for number in FLAT[1:]]
        known = [cost for cost in costs if cost is not None]
        yield at_most(
            f"flat cost, {server}: dearest CPU/request at c=4, 16, 64 by that at c=1", FLAT_BOUND,
            max(known) if len(known) == len(costs) else None,
        )  # fmt: skip


def at_least(name: str, bound: float, value: float | None) -> Goal:
    """A goal that a larger value meets; not met when there is no value."""
    return Goal(name, f">= {bound:g}", value, value is not None and value >= bound)


def at_most(name: str, bound: float, value: float | None) -> Goal:
    """A goal that a smaller value meets; not met when there is no value."""
    return Goal(name, f"<= {bound:g}", value, value is not None and value <= bound)


def _cost(stretch: Stretch) -> float:
    return stretch.cpu_us


def _rate(stretch: Stretch) -> float:
    return stretch.per_second

"""What the operator's own metrics and its process say."""

from __future__ import annotations

import time
import urllib.request
from typing import Protocol

HEALTH_PORT = 18090
_QUIET_SECONDS = 10.0


class Costs(Protocol):
    """Whose CPU is counted."""

    def cpu_seconds(self) -> float:
        """CPU that it has used so far."""
        ...


class Quiet:
    """True once no write was counted for some time."""

    def __init__(self) -> None:
        self._last, self._since = -1.0, now()

    def __call__(self) -> bool:
        found = writes()
        if found != self._last:
            self._last, self._since = found, now()
        return now() - self._since > _QUIET_SECONDS


def over(costs: Costs, seconds: float) -> tuple[float, float]:
    """Cores used and writes made while so many seconds pass."""
    written, cpu, since = writes(), costs.cpu_seconds(), now()
    time.sleep(seconds)
    return (costs.cpu_seconds() - cpu) / (now() - since), writes() - written


def now() -> float:
    """A clock that only goes forward."""
    return time.monotonic()


def serving() -> int:
    """MLModels in the phase Serving."""
    return int(metric('modelloop_operator_models{phase="Serving"}'))


def leading() -> bool:
    """Whether the operator acts."""
    return metric("modelloop_operator_leading") == 1


def writes() -> float:
    """Writes to the API server so far."""
    return sum(value for name, value in _metrics().items() if name.startswith("modelloop_operator_writes_total"))


def candidates(weight: int) -> int:
    """Versions that are tried and have at least this share."""
    found = _named("modelloop_operator_rollout_weight", 'role="candidate"')
    return sum(value >= weight for value in found)


def ended(version: str, outcome: str) -> int:
    """Rollouts of this version that ended so."""
    name = "modelloop_operator_rollout_ended_timestamp_seconds"
    return len(_named(name, f'version="{version}"', f'outcome="{outcome}"'))


def quantile(histogram: str, share: float) -> float:
    """The upper bound of the bucket in which this quantile lies."""
    buckets = [
        (float(name.partition('le="')[2].partition('"')[0]), value)
        for name, value in _metrics().items()
        if name.startswith(f"{histogram}_bucket")
    ]
    total = max(value for _, value in buckets)
    return next(bound for bound, value in sorted(buckets) if value >= share * total)


def metric(name: str) -> float:
    """One series by its name and labels; 0 while there is none."""
    return _metrics().get(name, 0.0)


def _named(name: str, *labels: str) -> list[float]:
    return [
        value
        for series, value in _metrics().items()
        if series.startswith(f"{name}{{") and all(label in series for label in labels)
    ]


def _metrics() -> dict[str, float]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{HEALTH_PORT}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return {}
    pairs = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}

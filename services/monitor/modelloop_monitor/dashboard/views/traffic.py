"""What a model's versions were asked and how they answered, as numbers and charts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add

from modelloop_core.wire.minutes import MinuteCounts
from modelloop_monitor.dashboard.charts import Chart, Series
from modelloop_monitor.dashboard.percentiles import percentile
from modelloop_monitor.dashboard.queries.traffic import Traffic

_PERCENTILES = (("half", 0.5), ("95 %", 0.95), ("99 %", 0.99))


@dataclass(frozen=True)
class Period:
    """A choice of how far back to look: so many steps of so many seconds."""

    word: str
    step: int
    steps: int


PERIODS: Mapping[str, Period] = {
    "1h": Period("last hour", 60, 60),
    "6h": Period("last 6 hours", 360, 60),
    "24h": Period("last 24 hours", 1200, 72),
    "7d": Period("last 7 days", 10_800, 56),
}


@dataclass(frozen=True)
class VersionTraffic:
    """One version over the whole stretch; latencies in seconds, `last` is when its last period began."""

    version: str
    share: float
    requests: int
    errors: int
    fallbacks: int
    latencies: tuple[float | None, ...]
    last: float


@dataclass(frozen=True)
class TrafficView:
    """Versions with the most requests first, charts, and errors by their reasons; nothing at all where `is_empty`."""

    versions: tuple[VersionTraffic, ...]
    charts: tuple[Chart, ...]
    reasons: tuple[tuple[str, int], ...]

    @property
    def is_empty(self) -> bool:
        """Whether no version had any traffic that the monitor was told of."""
        return not self.versions


def traffic_view(traffic: Traffic, now: float) -> TrafficView:
    """Numbers and charts of the traffic of a stretch of time that ends about `now`."""
    total = sum(counts.requests for periods in traffic.versions.values() for counts in periods.values())
    versions = [_version(version, periods, total, traffic) for version, periods in traffic.versions.items()]
    errors = _summed(counts for periods in traffic.versions.values() for counts in periods.values()).errors
    return TrafficView(
        versions=tuple(sorted(versions, key=lambda one: (-one.requests, one.version))),
        charts=(_requests(traffic, now), _latencies(traffic), _failures(traffic)),
        reasons=tuple(sorted(errors.items(), key=lambda item: (-item[1], item[0]))),
    )


def _version(version: str, periods: Mapping[int, MinuteCounts], total: int, traffic: Traffic) -> VersionTraffic:
    counts = _summed(periods.values())
    return VersionTraffic(
        version=version,
        share=counts.requests / total if total else 0.0,
        requests=counts.requests,
        errors=sum(counts.errors.values()),
        fallbacks=counts.fallbacks,
        latencies=tuple(percentile(counts.latency, share) for _, share in _PERCENTILES),
        last=traffic.stretch.since + max(periods) * traffic.stretch.step,
    )


def _requests(traffic: Traffic, now: float) -> Chart:
    stretch = traffic.stretch

    def rate(place: int, counts: MinuteCounts) -> float:
        # The last period has only just begun: it is not divided by what has not passed of it.
        passed = min(stretch.step, now - (stretch.since + place * stretch.step))
        return counts.requests / max(passed, 1.0)

    series = [Series(version, _over(traffic, periods, rate)) for version, periods in sorted(traffic.versions.items())]
    return Chart("Requests", "per second", _times(traffic), tuple(series))


def _latencies(traffic: Traffic) -> Chart:
    together = _together(traffic)
    series = []
    for name, share in _PERCENTILES:

        def milliseconds(_: int, counts: MinuteCounts, share: float = share) -> float | None:
            found = percentile(counts.latency, share)
            return None if found is None else 1000 * found

        series.append(Series(f"{name} within", _over(traffic, together, milliseconds)))
    return Chart("Latency", "ms", _times(traffic), tuple(series))


def _failures(traffic: Traffic) -> Chart:
    together = _together(traffic)

    def share(part: Callable[[MinuteCounts], int]) -> Callable[[int, MinuteCounts], float | None]:
        return lambda _, counts: 100 * part(counts) / counts.requests if counts.requests else None

    errors = Series("errors", _over(traffic, together, share(lambda counts: sum(counts.errors.values()))))
    fallbacks = Series("fallbacks", _over(traffic, together, share(lambda counts: counts.fallbacks)))
    invalid = Series("refused as invalid", _over(traffic, together, share(lambda counts: counts.invalid)))
    return Chart("Errors and fallbacks", "% of requests", _times(traffic), (errors, fallbacks, invalid))


def _together(traffic: Traffic) -> dict[int, MinuteCounts]:
    places = {place for periods in traffic.versions.values() for place in periods}
    return {
        place: _summed(periods[place] for periods in traffic.versions.values() if place in periods) for place in places
    }


def _over(
    traffic: Traffic, periods: Mapping[int, MinuteCounts], value: Callable[[int, MinuteCounts], float | None]
) -> tuple[float | None, ...]:
    places = range(traffic.stretch.steps)
    return tuple(value(place, periods[place]) if place in periods else None for place in places)


def _times(traffic: Traffic) -> tuple[float, ...]:
    stretch = traffic.stretch
    return tuple(float(stretch.since + place * stretch.step) for place in range(stretch.steps))


def _summed(counts: Iterable[MinuteCounts]) -> MinuteCounts:
    return reduce(add, counts, MinuteCounts())

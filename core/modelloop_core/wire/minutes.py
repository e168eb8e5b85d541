"""`GET /v1/models/{namespace}/{name}/minutes?version=`: what was counted of a version, minute by minute."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from modelloop_core.wire.profiles import LATENCY_BOUNDS, TrafficDelta

CLIENT_GONE, DEADLINE_EXCEEDED = "ClientGone", "DeadlineExceeded"
"""Reasons of errors: the caller left before the answer, and the model took longer than its timeout."""

_MOST_SECONDS = 1e15


class MinuteCounts(BaseModel):
    """Live requests of one minute as TrafficDelta has them, and the outputs' counts by fine bin.

    `mirrored` are copies of requests; of theirs, `compared` answers were held against those of the version that each
    key names, and `differing` among them said something else.
    """

    # Not "forbid": a reader of an older release goes on when a newer monitor says more.
    model_config = ConfigDict(frozen=True)

    requests: int = 0
    rows: int = 0
    errors: dict[str, int] = Field(default_factory=dict)
    fallbacks: int = 0
    invalid: int = 0
    invalid_by: dict[str, int] = Field(default_factory=dict)
    latency: tuple[int, ...] = (0,) * (len(LATENCY_BOUNDS) + 1)
    latency_sum: float = 0.0
    dropped_rows: int = 0
    outputs: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    mirrored: MinuteCounts | None = None
    compared: dict[str, int] = Field(default_factory=dict)
    differing: dict[str, int] = Field(default_factory=dict)

    @classmethod
    def of(
        cls, traffic: TrafficDelta, outputs: dict[str, tuple[int, ...]], mirrored: TrafficDelta | None = None
    ) -> MinuteCounts:
        """What one post adds."""
        copies = cls.of(mirrored, {}) if mirrored is not None else None
        return cls(**traffic.model_dump(), outputs=outputs, mirrored=copies)

    def __add__(self, other: MinuteCounts) -> MinuteCounts:
        """Both together; `latency` and the outputs of one version have the same bins."""
        return MinuteCounts(
            requests=self.requests + other.requests,
            rows=self.rows + other.rows,
            errors=_added(self.errors, other.errors),
            fallbacks=self.fallbacks + other.fallbacks,
            invalid=self.invalid + other.invalid,
            invalid_by=_added(self.invalid_by, other.invalid_by),
            latency=_summed(self.latency, other.latency),
            # Bounded: infinity is null in JSON, which nothing could read again.
            latency_sum=min(self.latency_sum + other.latency_sum, _MOST_SECONDS),
            dropped_rows=self.dropped_rows + other.dropped_rows,
            outputs={
                name: _summed(self.outputs.get(name, ()), other.outputs.get(name, ()))
                for name in {**self.outputs, **other.outputs}
            },
            mirrored=_both(self.mirrored, other.mirrored),
            compared=_added(self.compared, other.compared),
            differing=_added(self.differing, other.differing),
        )


class Minute(BaseModel):
    """The counts of the minute that begins `at`."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    counts: MinuteCounts


class Minutes(BaseModel):
    """Minutes with any traffic of one version, oldest first; a minute that is missing had none, or was not told of."""

    model_config = ConfigDict(frozen=True)

    namespace: str
    name: str
    version: str
    since: AwareDatetime
    until: AwareDatetime
    minutes: tuple[Minute, ...] = ()
    generated: AwareDatetime


def _both(ours: MinuteCounts | None, theirs: MinuteCounts | None) -> MinuteCounts | None:
    return ours + theirs if ours is not None and theirs is not None else ours or theirs


def _added(ours: dict[str, int], theirs: dict[str, int]) -> dict[str, int]:
    return {key: ours.get(key, 0) + theirs.get(key, 0) for key in {**ours, **theirs}}


def _summed(ours: tuple[int, ...], theirs: tuple[int, ...]) -> tuple[int, ...]:
    if len(ours) != len(theirs):
        # One of them has nothing, or counts of other bins, which cannot be told together.
        return max(ours, theirs, key=len)
    return tuple(left + right for left, right in zip(ours, theirs, strict=True))

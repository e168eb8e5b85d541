"""`runs/<run id>/outcome.json` in the registry: what a Job found; written once, and read by whoever asks again."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


def outcome_key(run: str) -> str:
    """Where a run's outcome lies."""
    return f"runs/{run}/outcome.json"


UNREACHED = "Unreachable"
"""The reason of a request that came to no pod of the version, however often it was tried: it says nothing about it."""

_MOST_UNREACHED = 0.1


def reaches_enough(unreached: int, asked: int) -> bool:
    """Whether a replay tells something, when so many of its requests came to no pod."""
    return unreached <= _MOST_UNREACHED * asked


class ReplayOutcome(BaseModel):
    """How `version` answered requests that `against` had answered when it was live.

    `failures` are by reason, of `asked` requests; those UNREACHED came to no pod of it. Of the others `compared`
    could be held against the answer of then, and `differing` said something else; `psi` is how far all these answers
    lie from those (the largest of several outputs). Latencies are in seconds, of a version that nothing else is asked
    of. `note` says why there was nothing to replay, or less than was wanted.
    """

    # Not "forbid": an operator of an older release goes on when a newer Job says more.
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    schema_version: int = Field(default=1, ge=1, le=1)
    kind: Literal["replay"] = "replay"
    run: str
    version: str
    against: str
    asked: int = Field(default=0, ge=0)
    failures: dict[str, int] = Field(default_factory=dict)
    compared: int = Field(default=0, ge=0)
    differing: int = Field(default=0, ge=0)
    psi: float | None = None
    latency_p50: float | None = None
    latency_p95: float | None = None
    captured_since: AwareDatetime | None = None
    captured_until: AwareDatetime | None = None
    note: str = ""
    began: AwareDatetime
    ended: AwareDatetime

    @property
    def failed(self) -> int:
        """How many of the requests that reached the version were not answered by the model."""
        return sum(self.failures.values()) - self.unreached

    @property
    def reached(self) -> int:
        """How many requests came to the version."""
        return self.asked - self.unreached

    @property
    def unreached(self) -> int:
        """How many requests came to no pod of it."""
        return self.failures.get(UNREACHED, 0)

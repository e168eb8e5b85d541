"""What status remembers of rollouts: the shares that a version had, who asked for what, and how it ended."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from modelloop_core.api.status_object import StatusObject

PAST_ROLLOUTS_LENGTH = 10
STEPS_LENGTH = 24
ASKED_LENGTH = 10
_ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}


class Outcome(StrEnum):
    """How a rollout ended; `RolledBack` also when the version was taken back after it went live."""

    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    REFUSED = "Refused"
    ABANDONED = "Abandoned"


class StepTaken(StatusObject):
    """A share of the traffic that a version had."""

    weight: int = Field(ge=0, le=100, description="Share of the traffic, in percent; 0 after it had lost all its pods.")
    mirror: int | None = Field(
        default=None, description="Share of the requests of which it got copies, in percent; absent without."
    )
    since: str = Field(description="When the gateway confirmed it (RFC 3339).")
    verdict: str | None = Field(default=None, description="What the evidence said last while it had this share.")


class Asked(StatusObject):
    """What a person asked in a rollout."""

    verb: str = Field(description="What was asked, and done.")
    by: str = Field(default="", description="Who asked, as the request says.")
    at: str = Field(description="When it was done (RFC 3339).")


StepsTaken = Annotated[
    list[StepTaken],
    Field(max_length=STEPS_LENGTH, description="Shares it had, the last ones.", json_schema_extra=_ATOMIC),
]
AskedFor = Annotated[
    list[Asked],
    Field(max_length=ASKED_LENGTH, description="What people asked of it.", json_schema_extra=_ATOMIC),
]


class PastRollout(StatusObject):
    """A rollout that is over."""

    version: str = Field(description="Version that was tried.")
    against: str = Field(description="Version that was live then.")
    strategy: str = Field(default="", description="Canary, AB, or BlueGreen when all traffic moved at once.")
    from_: str = Field(alias="from", description="When its pods were asked for (RFC 3339).")
    until: str = Field(description="When it ended (RFC 3339).")
    outcome: Outcome = Field(
        description="Promoted, RolledBack (it had traffic and lost it), Refused (it never had any), or Abandoned "
        "(another version was wanted)."
    )
    reason: str = Field(description="One word.")
    message: str = Field(default="", description="Why.")
    steps: StepsTaken = Field(default=[])
    asked: AskedFor = Field(default=[])

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

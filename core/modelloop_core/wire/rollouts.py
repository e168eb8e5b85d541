"""`PUT /v1/models/{namespace}/{name}/rollouts`: what the operator tells the monitor of a model's rollouts.

The body is all that the MLModel's status says of them: what is live, what is tried, and the last rollouts. Putting the
same again changes nothing. The operator puts it when it changed, and again at least every RENEWED_SECONDS. What is
asked of the evidence (`question`) goes with it, so that the monitor keeps the answers to that question and to no other.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from modelloop_core.wire.evidence import EvidenceQuery
from modelloop_core.wire.reports import MODELS_PATH

MOST_ROLLOUTS = 16
LONGEST_TEXT = 4096
_Version = Annotated[str, Field(min_length=1, max_length=253)]
_Word = Annotated[str, Field(max_length=253)]
_Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
_Weight = Annotated[int, Field(ge=0, le=100)]


def rollouts_path(namespace: str, name: str) -> str:
    """Where a model's rollouts are put and read."""
    return f"{MODELS_PATH}/{namespace}/{name}/rollouts"


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RolloutVersion(_Wire):
    """A version with pods: the share that was asked for, and what every gateway has `confirmed` (None: unknown)."""

    version: _Version
    weight: _Weight
    confirmed: _Weight | None = None
    ready: int = Field(default=0, ge=0)


class RolloutStep(_Wire):
    """A share of the traffic that a version had; 0 after it had lost all its pods, and where it got copies alone."""

    weight: _Weight
    mirror: _Weight | None = None
    since: AwareDatetime
    verdict: _Word | None = None


class RolloutRequest(_Wire):
    """What a person asked; `by` is what the request says."""

    verb: _Word
    by: _Word = ""
    at: AwareDatetime


class Rollout(_Wire):
    """One rollout: `ended`, `outcome`, `reason` and `message` once it is over, `plan` and `waits_for` before.

    `plan` are the shares that it is to have, 100 among them. `question` is what the evidence is asked now: while a
    version is on its way, and while it could still be taken back after that.
    """

    version: _Version
    against: _Version
    strategy: _Word = ""
    started: AwareDatetime
    steps: Annotated[tuple[RolloutStep, ...], Field(max_length=64)] = ()
    asked: Annotated[tuple[RolloutRequest, ...], Field(max_length=64)] = ()
    plan: Annotated[tuple[_Weight, ...], Field(max_length=64)] = ()
    waits_for: _Word = ""
    until: AwareDatetime | None = None
    ended: AwareDatetime | None = None
    outcome: _Word = ""
    reason: _Word = ""
    message: _Text = ""
    question: EvidenceQuery | None = None


class ModelRollouts(_Wire):
    """What is live, what is tried (`message` says why it waits), and the last rollouts, newest last."""

    live: RolloutVersion | None = None
    tried: RolloutVersion | None = None
    message: _Text = ""
    rollouts: Annotated[tuple[Rollout, ...], Field(max_length=MOST_ROLLOUTS)] = ()


class RolloutsTold(BaseModel):
    """`GET` on the same path: what was told last and when, and all rollouts that are kept, newest first."""

    # Not "forbid": a reader of an older release goes on when a newer monitor says more.
    model_config = ConfigDict(frozen=True)

    told: AwareDatetime
    live: RolloutVersion | None = None
    tried: RolloutVersion | None = None
    message: str = ""
    rollouts: tuple[Rollout, ...] = ()

"""What a version that is tried has of the traffic: copies of some requests first, then a share of its own."""

from __future__ import annotations

from dataclasses import dataclass

from modelloop_core.api.status import MLModelStatus
from modelloop_core.api.steps import Step


@dataclass(frozen=True, order=True)
class Share:
    """`weight` percent of the traffic, or copies of `mirror` percent of it; ordered as a rollout goes."""

    weight: int = 0
    mirror: int = 0

    @property
    def percent(self) -> int:
        """How much of the traffic comes to it, whoever gets its answers."""
        return self.weight or self.mirror

    @property
    def copies_a_part(self) -> bool:
        """Whether it gets copies of some requests and not of others."""
        return not self.weight and 0 < self.mirror < 100

    def __bool__(self) -> bool:
        return bool(self.weight or self.mirror)

    def __str__(self) -> str:
        return f"copies of {self.mirror} %" if self.mirror else f"{self.weight} %"


NOTHING, ALL = Share(), Share(weight=100)


def share_of_step(step: Step) -> Share:
    """What a step gives."""
    return Share(step.weight or 0, step.mirror or 0)


def share_in(status: MLModelStatus) -> Share:
    """What the candidate was given, as committed."""
    weight = status.candidate.requestedWeight if status.candidate is not None else 0
    mirror = status.rollout.mirror if status.rollout is not None and not weight else None
    return Share(weight, mirror or 0)

"""Versions that earn their traffic, or do not, while requests flow: what is waited for, and what must have happened."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from hack.demo.cluster import DemoFailed
from hack.demo.figures import failed
from hack.demo.model import Model, failure_of, message_of, not_serving
from hack.demo.screen import Screen
from hack.demo.traffic import Traffic
from hack.demo.watching import watched

_ROLLOUT_SECONDS = 240.0


@dataclass
class Told:
    """How a rollout went: the shares of the traffic that its version had, why it ended, and what callers saw of it."""

    version: str
    shares: list[int] = field(default_factory=list)
    reason: str = ""
    message: str = ""
    seconds: float = 0.0
    sent: int = 0
    failed: int = 0
    answered_by_it: int = 0

    def document(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)


@dataclass(frozen=True)
class Rollouts:
    """Rollouts of one model under one stream of requests."""

    model: Model
    screen: Screen
    traffic: Traffic

    def promoted(self, version: str) -> Told:
        """Wait until the version was promoted; raises DemoFailed unless evidence took it through every step."""
        told = self._followed(version, self._not_promoted)
        entry = self.model.status()["history"][-1]
        told.reason = entry["reason"]
        steps = [step["weight"] for step in self.model.manifest()["spec"]["rollout"]["steps"]]
        if (told.shares, told.reason, told.failed) != (steps, "RolloutPassed", 0):
            raise DemoFailed(
                f"{version} should be promoted by evidence through {steps} without a failed request: {told}"
            )
        return told

    def taken_back(self, version: str, live: str) -> Told:
        """Wait until the version was taken back; raises DemoFailed unless it was by evidence, and `live` has it all."""
        told = self._followed(version, lambda told: self._not_taken_back(told, live))
        failure = failure_of(self.model.status(), version) or {}
        told.reason, told.message = failure["reason"], failure["message"]
        if told.reason != "EvidenceFailed" or told.failed or not told.shares:
            raise DemoFailed(f"{version} should be taken back by evidence, without a failed request: {told}")
        return told

    def _followed(self, version: str, missing: Callable[[Told], str]) -> Told:
        told, begun, before = Told(version), time.monotonic(), len(self.traffic.answers)
        with watched(self.model, self.screen):
            self.screen.wait(f"the end of the rollout of {version}", lambda: missing(told), _ROLLOUT_SECONDS)
        answers = self.traffic.answers[before:]
        told.seconds = round(time.monotonic() - begun, 1)
        told.sent, told.failed = len(answers), sum(map(failed, answers))
        told.answered_by_it = sum(answer.version == version for answer in answers)
        return told

    def _not_promoted(self, told: Told) -> str:
        status = self._looked_at(told)
        if failure := failure_of(status, told.version):
            raise DemoFailed(f"{told.version} should be promoted, and was refused: {failure}")
        return not_serving(status, told.version)

    def _not_taken_back(self, told: Told, live: str) -> str:
        status = self._looked_at(told)
        return not_serving(status, live) if failure_of(status, told.version) else message_of(status)

    def _looked_at(self, told: Told) -> dict[str, Any]:
        status = self.model.status()
        candidate = status.get("candidate", {})
        share = candidate.get("effectiveWeight") if candidate.get("version") == told.version else None
        if share and told.shares[-1:] != [share]:
            told.shares.append(share)
        return status

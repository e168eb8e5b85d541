"""What `status` says of an MLModel, as data first and then as lines for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from modelloop_core.api import MLModelStatus
from modelloop_core.api.status import DriftStatus, VersionStatus


@dataclass(frozen=True)
class Row:
    """One version with pods: its role, its pods and its share of traffic."""

    role: str
    version: str
    ready: int
    weight: str
    since: str


def status_of(model: dict[str, Any]) -> MLModelStatus:
    """The parsed status; empty when the operator has not seen the MLModel yet."""
    return MLModelStatus.model_validate(model.get("status") or {})


def rows(status: MLModelStatus, now: datetime) -> list[Row]:
    """Versions with pods, what is live first."""
    roles = [("live", status.stable), ("candidate", status.candidate), *(("leaving", block) for block in status.warm)]
    return [_row(role, block, now) for role, block in roles if block is not None]


def headline(model: dict[str, Any], status: MLModelStatus) -> str:
    """One sentence: what is live and what it waits for."""
    if status.observedGeneration < model["metadata"]["generation"]:
        generation = model["metadata"]["generation"]
        return (
            f"no operator has looked at generation {generation} yet; is it running? (`kubectl mlmodel doctor` checks)"
        )
    return status.message or "nothing to say yet"


def problems(status: MLModelStatus) -> list[str]:
    """Conditions that are not as they should be, each with reason and message."""
    wrong = dict.fromkeys(
        ("Ready", "RouteAccepted", "MirrorAvailable", "MetricsAvailable", "DeviceAvailable", "ScalingAvailable"),
        "False",
    )
    wrong |= {"MonitoringAvailable": "False", "Stalled": "True", "Degraded": "True", "Drifted": "True"}
    found = [condition for condition in status.conditions if wrong.get(condition.type) == condition.status]
    return [f"{condition.type}: {condition.reason}: {condition.message}" for condition in found]


def hindrances(status: MLModelStatus) -> list[str]:
    """Why no version serves yet, or why a new one's pods are not even made: no pod is there to tell."""
    unready = [found for found in status.conditions if (found.type, found.status) == ("CandidateReady", "False")]
    told = [found for found in unready if status.stable is None or found.reason == "FailedCreate"]
    return [f"{found.type}: {found.reason}: {found.message}" for found in told]


def drift_line(block: DriftStatus, now: datetime) -> str:
    """The level of drift, since when, and what had moved."""
    moved = f": {', '.join(block.features)}" if block.features else ""
    return f"{block.level} for {age(block.since, now)}{moved}"


def age(since: str | None, now: datetime) -> str:
    """How long ago, in the largest unit that says enough."""
    if since is None:
        return "-"
    seconds = max(0, int((now - datetime.fromisoformat(since)).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def utc_now() -> datetime:
    """The wall clock in UTC."""
    return datetime.now(UTC)


def _row(role: str, block: VersionStatus, now: datetime) -> Row:
    weight = "unknown" if block.effectiveWeight is None else f"{block.effectiveWeight} %"
    return Row(role, block.version, block.readyReplicas, weight, age(block.since, now))

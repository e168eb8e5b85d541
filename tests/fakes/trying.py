"""Observations of a rollout: 1.1.0 is tried beside 1.0.0 and all is well; a row says only what is different."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fakes.seen import GATEWAY, NOW, WITH_GATEWAY, a_status, observed, ready, stamp
from modelloop_core.api import MLModelStatus
from modelloop_core.api.status import RolloutStatus
from modelloop_core.versions import Version
from modelloop_core.wire.evidence import Verdict
from modelloop_core.wire.reports import Level
from modelloop_operator.decide.observation import Judgement, Observation, Pods, Report, Route

LIVE, TRIED, OLDER = Version(1, 0, 0), Version(1, 1, 0), Version(0, 9, 0)
STEPS: list[dict[str, Any]] = [
    {"weight": 5, "hold": "60s"},
    {"weight": 25, "hold": "60s"},
    {"weight": 50, "hold": "60s", "approval": True},
]
ROLLOUT: dict[str, Any] = {"steps": STEPS, "inconclusiveDeadline": "1h", "progressDeadline": "10m", "keepWarm": "1h"}
WATCHED = Report(Level.STABLE)
PASSED = Judgement(Verdict.PASSED, "Passed", "errors up to 1.5 % cannot be excluded")
FAILED = Judgement(Verdict.FAILED, "ErrorRate", "3.1 % of 400 requests failed, the limit is 1 %")
INCONCLUSIVE = Judgement(Verdict.INCONCLUSIVE, "Inconclusive", "not enough evidence yet about ErrorRate")
SILENT = Judgement(Verdict.ERROR, "MonitorUnreachable", "the monitor at http://m cannot be reached: refused")


def a_rollout(**fields: Any) -> RolloutStatus:
    """A canary that holds its step since 61 s; times are seconds after NOW."""
    times = ("startedAt", "preparingSince", "stepStartedAt", "judgedSince", "inconclusiveSince")
    usual = {"strategy": "Canary", "startedAt": -600, "stepStartedAt": -61, "judgedSince": -61, "advancing": False}
    found = {**usual, **fields}
    told = {name: stamp(found[name]) for name in times if isinstance(found.get(name), int | float)}
    return RolloutStatus(**{**found, **told})


def trying(weight: int = 5, *, rollout: RolloutStatus | None = None, **changes: Any) -> MLModelStatus:
    """The status of a rollout that gave `weight` percent to what it tries."""
    status = a_status("1.0.0", "1.1.0", **changes)
    assert status.stable is not None
    assert status.candidate is not None
    return status.model_copy(
        update={
            "stable": status.stable.model_copy(update={"requestedWeight": 100 - weight}),
            "candidate": status.candidate.model_copy(update={"requestedWeight": weight}),
            "rollout": rollout or a_rollout(),
        }
    )


def shared(weight: int, *, confirmed: bool = True) -> Route:
    """The route with `weight` percent for what is tried."""
    weights = {LIVE: 100 - weight, TRIED: weight} if weight else {LIVE: 100}
    return Route(weights, confirmed, "" if confirmed else "gateway 'edge' has not taken it up yet", named=LIVE)


def in_rollout(
    weight: int = 5,
    *,
    rollout: RolloutStatus | None = None,
    spec: Mapping[str, Any] | None = None,
    live: Pods | None = None,
    tried: Pods | None = None,
    declared: Mapping[str, Any] | None = None,
    **rest: Any,
) -> Observation:
    """A rollout at `weight` whose hold is over and which has passed; `declared` changes spec.rollout."""
    said = {"traffic": GATEWAY, "rollout": {**ROLLOUT, **(declared or {})}, **(spec or {})}
    usual: dict[str, Any] = {
        "versions": ("1.0.0", "1.1.0"),
        "pods": {"1.0.0": live or ready(4), "1.1.0": tried or ready(4)},
        "route": shared(weight),
        "capabilities": WITH_GATEWAY,
        "watch": WATCHED,
        "judgement": PASSED,
    }
    status = rest.pop("status", None) or trying(weight, rollout=rollout, history=["1.0.0"])
    said["serving"] = {"replicas": 4, **said.get("serving", {})}
    return observed(status, spec=said, **{**usual, **rest})


def after(seconds: float) -> Any:
    """The moment `seconds` after NOW."""
    return NOW + timedelta(seconds=seconds)

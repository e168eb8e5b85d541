"""Conditions of what rollouts need of the cluster: who judges them, who copies requests, who has their metrics."""

from __future__ import annotations

from modelloop_core.api import MLModelStatus
from modelloop_core.wire.evidence import Verdict as Evidence
from modelloop_operator.decide.measures import NO_PROMETHEUS, UNREADABLE
from modelloop_operator.decide.observation import Observation
from modelloop_operator.decide.plan import PERCENT_DROPPED, unjudged, unmirrored
from modelloop_operator.decide.watching import Verdict, as_before


def rollout_judged(status: MLModelStatus, seen: Observation) -> Verdict | None:
    """Whether a version that comes is judged by its traffic."""
    if status.stable is None:
        return as_before(status.condition("RolloutJudged"))
    lacking = unjudged(seen)
    if lacking is not None:
        return "False", lacking.reason, lacking.message
    return "True", "Judged", "new versions are judged by their share of the traffic"


def mirror_available(status: MLModelStatus, seen: Observation) -> Verdict | None:
    """Whether a gateway can copy requests as the spec asks; absent where it does not ask, or nothing is routed yet."""
    declared = seen.model.spec.rollout
    if declared is None or not declared.mirrors or status.stable is None or seen.route is None:
        return None
    if seen.model.spec.traffic.gateway is None or not seen.capabilities.gateway_api:
        return (
            "False",
            "NoGateway",
            "steps with mirror need spec.traffic.gateway and the Gateway API; they are left out",
        )
    lacking = unmirrored(seen)
    if lacking is not None:
        return "False", lacking.reason, lacking.message
    before = as_before(status.condition("MirrorAvailable"))
    if (
        before is not None
        and before[1] == PERCENT_DROPPED
        and not any(0 < n < 100 for n in seen.route.mirrors.values())
    ):
        return before  # only copies that are counted show that percent is kept now
    return "True", "Mirrors", "the gateway copies requests as steps say"


def metrics_available(seen: Observation) -> Verdict | None:
    """Whether the metrics that the spec names have numbers; absent where it names none."""
    declared, judgement = seen.model.spec.rollout, seen.judgement
    if declared is None or not declared.analysis.metrics:
        return None
    if not seen.capabilities.prometheus:
        missing = "spec.rollout.analysis.metrics needs a Prometheus: set operator.prometheusURL of charts/modelloop"
        return "False", NO_PROMETHEUS, missing
    silent = [one.message for one in judgement.metrics if one.verdict is Evidence.ERROR] if judgement else []
    if silent:
        return "False", UNREADABLE, "; ".join(silent)
    return "True", "Asked", "metrics are asked for while a version is tried"

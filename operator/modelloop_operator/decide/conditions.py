"""Conditions and the phase word: what people and tools read. Nothing is decided by them."""

from __future__ import annotations

from datetime import datetime

from modelloop_core.api import MLModelStatus
from modelloop_core.api.status import Condition
from modelloop_core.versions import Version
from modelloop_operator.decide.capacity import has_its_pods
from modelloop_operator.decide.decisions import (
    Abandon,
    Adopt,
    Advance,
    Answer,
    Condemn,
    Decision,
    Drain,
    Forget,
    Promote,
    Refuse,
    Retire,
    RollBack,
    Shift,
    Start,
    Wait,
)
from modelloop_operator.decide.failures import told
from modelloop_operator.decide.means import metrics_available, mirror_available, rollout_judged
from modelloop_operator.decide.observation import Observation
from modelloop_operator.decide.plan import BLUE_GREEN
from modelloop_operator.decide.selection import holding_back
from modelloop_operator.decide.shares import share_in
from modelloop_operator.decide.watching import Verdict, as_before, degraded, drifted, monitoring_available

STALLING = frozenset(
    {
        "ABUndecided",
        "AccessDenied",
        "BucketNotFound",
        "HistoryUnreadable",
        "InconclusiveDeadlineExceeded",
        "InvalidSpec",
        "NameTaken",
        "NoVersionInRange",
        "NoVersions",
        "PodsFailed",
        "SecretInvalid",
        "SecretNotFound",
        "SecretRequired",
        "StoreUnavailable",
        "TaskDiffers",
        "VersionBroken",
        "VersionFailed",
        "VersionNotFound",
    }
)
"""Reasons that do not go away by waiting; a person or another system has to act."""

_BESIDE = Answer | Drain | Forget | Retire
"""Moves that say nothing about what is tried or what stalls it."""


def conditions(status: MLModelStatus, seen: Observation, decision: Decision, now: datetime) -> list[Condition]:
    """All conditions of an MLModel in a fixed order; a transition time changes only with the status it dates."""
    verdicts = {
        "Ready": _ready(status, seen),
        "CandidateReady": _candidate_ready(status, seen, decision),
        "RolloutProgressing": _rollout_progressing(status, decision),
        "RolloutJudged": rollout_judged(status, seen),
        "MirrorAvailable": mirror_available(status, seen),
        "MetricsAvailable": metrics_available(seen),
        "RouteAccepted": _route_accepted(status, seen),
        "DeviceAvailable": _device_available(seen),
        "ScalingAvailable": _scaling_available(status, seen),
        "MonitoringAvailable": monitoring_available(seen, status.condition("MonitoringAvailable")),
        "Degraded": degraded(seen, status.condition("Degraded")),
        "Drifted": drifted(status.drift, seen, status.condition("Drifted")),
        "Stalled": _stalled(status, seen, decision),
        "Reconciling": _reconciling(status, seen, decision),
    }
    return [_condition(kind, verdict, status, now) for kind, verdict in verdicts.items() if verdict is not None]


def phase(status: MLModelStatus, decision: Decision) -> str:
    """One word for people; `status` has its conditions already."""
    if _stalls(decision) and status.stable is None:
        return "Stalled"
    if status.candidate is not None:
        if status.stable is None:
            return "Starting"
        return "RollingOut" if status.rollout is not None and status.rollout.strategy != BLUE_GREEN else "Updating"
    if status.stable is None:
        return "Pending"
    ready = status.condition("Ready")
    return "Serving" if ready is not None and ready.status == "True" else "Unavailable"


def _condition(kind: str, verdict: Verdict, status: MLModelStatus, now: datetime) -> Condition:
    value, reason, message = verdict
    before = status.condition(kind)
    since = before.lastTransitionTime if before and before.status == value else now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return Condition(
        type=kind,
        status=value,
        reason=reason,
        message=message,
        lastTransitionTime=since,
        observedGeneration=status.observedGeneration,
    )


def _ready(status: MLModelStatus, seen: Observation) -> Verdict:
    if status.stable is None:
        return "False", "NotServing", "no version serves yet"
    if status.stable.readyReplicas == 0:
        return "False", "NoReadyPods", f"{status.stable.version} has no ready pod"
    if seen.route is None:
        return "False", "NoRoute", "traffic is not routed yet"
    if not seen.route.accepted:
        return "False", "RouteNotAccepted", seen.route.problem
    return "True", "Serving", f"{status.stable.version} serves"


def _candidate_ready(status: MLModelStatus, seen: Observation, decision: Decision) -> Verdict | None:
    if status.candidate is None:
        return None
    if isinstance(decision, Start):
        return "False", "Starting", decision.message
    if share_in(status) and has_its_pods(Version.parse(status.candidate.version), seen):
        return "True", "PodsReady", f"{status.candidate.version} has the pods that its share of the traffic needs"
    return "False", decision.reason, decision.message


def _rollout_progressing(status: MLModelStatus, decision: Decision) -> Verdict | None:
    """Whether a new version is on its way, and what it waits for; afterwards how the last one ended."""
    before = as_before(status.condition("RolloutProgressing"))
    if status.candidate is not None and status.stable is not None:
        beside = before is not None and before[0] == "True" and isinstance(decision, _BESIDE)
        return before if beside else ("True", decision.reason, decision.message)
    if before is not None and (before[0] == "True" or isinstance(decision, RollBack | Condemn)):
        return "False", decision.reason, decision.message
    return before or _last_rollout(status)


def _last_rollout(status: MLModelStatus) -> Verdict | None:
    """What is said of the last rollout where conditions were lost, or none has been yet."""
    if status.stable is None:
        return None
    if status.pastRollouts:
        last = status.pastRollouts[-1]
        return "False", last.reason, last.message
    return "False", "NoRollout", f"no version is tried beside {status.stable.version}"


def _route_accepted(status: MLModelStatus, seen: Observation) -> Verdict | None:
    traffic = seen.model.spec.traffic
    if traffic.gateway is not None and not seen.capabilities.gateway_api:
        missing = "spec.traffic.gateway needs the Gateway API (gateway.networking.k8s.io/v1); this cluster lacks it"
        return "False", "GatewayAPIMissing", missing
    if status.stable is None or seen.route is None:
        return None
    if traffic.ingress is not None and not seen.ingress_taken_up:
        asked = (
            f"class {traffic.ingress.className}" if traffic.ingress.className else "no class, so the cluster's default"
        )
        missing = f"no Ingress controller has taken the Ingress up ({asked}): it has no address yet"
        return "False", "IngressNotTakenUp", missing
    if seen.route.confirmed:
        return "True", "Accepted", "traffic goes where it should"
    return "False", "NotConfirmed", seen.route.problem


def _device_available(seen: Observation) -> Verdict | None:
    if seen.model.spec.serving.device != "cuda":
        return None
    if seen.capabilities.gpu_nodes:
        return "True", "NodesFound", "a node offers nvidia.com/gpu"
    return (
        "False",
        "NoGPUNodes",
        "spec.serving.device is cuda but no node offers nvidia.com/gpu; pods will stay pending",
    )


def _scaling_available(status: MLModelStatus, seen: Observation) -> Verdict | None:
    if seen.model.spec.serving.autoscaling is None or status.stable is None:
        return None
    problem = seen.scaling_problems.get(Version.parse(status.stable.version))
    if problem is None:
        return "Unknown", "NotReported", "the autoscaler has not reported yet"
    if problem:
        return "False", "CannotScale", problem
    return "True", "Scaling", "the autoscaler has what it needs"


def _stalled(status: MLModelStatus, seen: Observation, decision: Decision) -> Verdict:
    if seen.rejected:
        return "True", "WriteRejected", seen.rejected
    if _stalls(decision) or isinstance(decision, Refuse | Condemn):
        return "True", decision.reason, decision.message
    before = status.condition("Stalled")
    if before is not None and isinstance(decision, _BESIDE | Advance | Shift):
        return before.status, before.reason, before.message  # these moves say nothing about what stalls it
    failures = holding_back(status.failedVersions, seen)
    if failures:
        return "True", *told(failures[-1], seen.model.metadata.name)
    return "False", "Progressing", ""


def _reconciling(status: MLModelStatus, seen: Observation, decision: Decision) -> Verdict | None:
    first_start = status.stable is None or isinstance(decision, Promote | RollBack | Adopt)
    settled = seen.pods and all(pods.settled for pods in seen.pods.values())
    if not first_start and (settled or status.candidate is not None):
        return None
    if _stalls(decision):
        return None
    return "True", decision.reason, decision.message


def _stalls(decision: Decision) -> bool:
    # A test that ends undecided may go on with the new version: a move that succeeds waits for nobody.
    return decision.reason in STALLING and isinstance(decision, Wait | Abandon)

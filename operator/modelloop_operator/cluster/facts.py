"""What the operator keeps of a watched child: a few values, never the whole object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from modelloop_core.api import KIND
from modelloop_core.versions import InvalidVersion, Version
from modelloop_operator.cluster import kinds
from modelloop_operator.cluster.kinds import Kind
from modelloop_operator.cluster.ownership import owned_digest, owns
from modelloop_operator.cluster.port import Object
from modelloop_operator.naming import MANAGER, VERSION_LABEL


@dataclass(frozen=True, slots=True)
class DeploymentFacts:
    """Counts of a Deployment; `settled` when its newest template runs in all its pods."""

    desired: int
    ready: int
    settled: bool
    deadline_exceeded: bool
    replicas_are_ours: bool


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """Backends of an HTTPRoute with weights; `accepted` by every parent at some time, `confirmed` as it is now.

    `mirrors` has what percentage of the requests is copied to whom, `controllers` who answered for its gateways.
    """

    weights: Mapping[str, int]
    accepted: bool
    confirmed: bool
    problem: str
    mirrors: Mapping[str, int] = field(default_factory=dict)
    controllers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """The version that a Service's selector picks; None when it names none, as after an edit by hand."""

    version: Version | None


@dataclass(frozen=True, slots=True)
class IngressFacts:
    """Whether a controller gave an Ingress an address."""

    taken_up: bool


@dataclass(frozen=True, slots=True)
class AutoscalerFacts:
    """Why a HorizontalPodAutoscaler cannot scale: empty when it can, None before it said anything."""

    problem: str | None


@dataclass(frozen=True, slots=True)
class JobFacts:
    """Whether a Job is done, and why it was given up, if it was."""

    done: bool
    problem: str


Facts = DeploymentFacts | RouteFacts | ServiceFacts | IngressFacts | AutoscalerFacts | JobFacts | None


@dataclass(frozen=True, slots=True)
class Child:
    """One object that belongs, or claims to belong, to an MLModel."""

    kind: Kind
    namespace: str
    name: str
    uid: str
    owner: str
    owner_uid: str
    version: Version | None
    digest: str
    deleting: bool
    facts: Facts
    revision: int = field(default=0, compare=False)


def child_of(kind: Kind, live: Object) -> Child | None:
    """The kept part of a live object, or None when no MLModel controls it."""
    meta = live["metadata"]
    owners = [ref for ref in meta.get("ownerReferences", ()) if ref.get("kind") == KIND and ref.get("controller")]
    if not owners:
        return None
    return Child(
        kind=kind,
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        owner=owners[0]["name"],
        owner_uid=owners[0]["uid"],
        version=_version(meta.get("labels", {})),
        digest=owned_digest(live, MANAGER),
        deleting="deletionTimestamp" in meta,
        facts=_facts(kind, live),
        revision=revision_of(live),
    )


def revision_of(live: Object) -> int:
    """The resourceVersion as a number: Kubernetes lets clients compare those of one kind (KEP-5504)."""
    text = live["metadata"].get("resourceVersion", "0")
    return int(text) if text.isdigit() else 0


def _version(labels: Mapping[str, str]) -> Version | None:
    try:
        return Version.parse(labels[VERSION_LABEL])
    except (KeyError, InvalidVersion):
        return None


def _facts(kind: Kind, live: Object) -> Facts:
    if kind == kinds.DEPLOYMENT:
        return _deployment(live)
    if kind == kinds.HTTP_ROUTE:
        return _route(live)
    if kind == kinds.SERVICE:
        return ServiceFacts(_version(live.get("spec", {}).get("selector", {})))
    if kind == kinds.INGRESS:
        return IngressFacts(bool(live.get("status", {}).get("loadBalancer", {}).get("ingress")))
    if kind == kinds.JOB:
        return _job(live)
    if kind == kinds.AUTOSCALER:
        return AutoscalerFacts(_scaling_problem(live))
    return None


def _job(live: Object) -> JobFacts:
    conditions = {found["type"]: found for found in live.get("status", {}).get("conditions", ())}
    failed = conditions.get("Failed", {})
    told = f"{failed.get('reason', 'Failed')}: {failed.get('message', '')}".removesuffix(": ")
    return JobFacts(
        done=conditions.get("Complete", {}).get("status") == "True",
        problem=told if failed.get("status") == "True" else "",
    )


def _scaling_problem(live: Object) -> str | None:
    conditions = {found["type"]: found for found in live.get("status", {}).get("conditions", ())}
    told = [conditions[kind] for kind in ("AbleToScale", "ScalingActive") if kind in conditions]
    if not told:
        return None
    failed = [f"{found.get('reason')}: {found.get('message')}" for found in told if found["status"] == "False"]
    return failed[0] if failed else ""


def _deployment(live: Object) -> DeploymentFacts:
    spec, status = live.get("spec", {}), live.get("status", {})
    desired = spec.get("replicas", 1)
    current = status.get("observedGeneration", 0) >= live["metadata"].get("generation", 0)
    progress: Object = next((c for c in status.get("conditions", ()) if c.get("type") == "Progressing"), {})
    return DeploymentFacts(
        desired=desired,
        ready=status.get("readyReplicas", 0),
        settled=current and status.get("updatedReplicas", 0) == desired == status.get("replicas", 0),
        deadline_exceeded=current and progress.get("reason") == "ProgressDeadlineExceeded",
        replicas_are_ours=owns(live, MANAGER, "spec", "replicas"),
    )


def _route(live: Object) -> RouteFacts:
    spec = live.get("spec", {})
    # Rules that a header picks force a version for tests: no share of the traffic comes by them.
    shared = [rule for rule in spec.get("rules", ()) if not any("headers" in m for m in rule.get("matches", ()))]
    backends = [ref for rule in shared for ref in rule.get("backendRefs", ())]
    problem = _route_problem(live, live["metadata"].get("generation", 0))
    return RouteFacts(
        weights={ref["name"]: ref.get("weight", 1) for ref in backends},
        accepted=not _route_problem(live, 0),
        confirmed=not problem,
        problem=problem,
        mirrors=dict(found for rule in shared for found in _mirrors(rule)),
        controllers=frozenset(
            parent["controllerName"]
            for parent in live.get("status", {}).get("parents", ())
            if parent.get("controllerName")
        ),
    )


def _mirrors(rule: Object) -> Iterator[tuple[str, int]]:
    for copies in (found["requestMirror"] for found in rule.get("filters", ()) if found.get("type") == "RequestMirror"):
        yield copies["backendRef"]["name"], copies.get("percent", 100)


def _route_problem(live: Object, generation: int) -> str:
    declared = [_gateway(ref, live) for ref in live.get("spec", {}).get("parentRefs", ())]
    answers = [(_gateway(parent["parentRef"], live), parent) for parent in live.get("status", {}).get("parents", ())]
    silent = set(declared) - {gateway for gateway, _ in answers}
    if silent:
        return f"{len(silent)} of {len(declared)} gateways have not answered for this route; do they exist?"
    # A gateway that the route has left may still be listed for a moment.
    for parent in (parent for gateway, parent in answers if gateway in declared):
        conditions = {condition["type"]: condition for condition in parent.get("conditions", ())}
        for kind in ("Accepted", "ResolvedRefs"):
            found = conditions.get(kind)
            name = parent["parentRef"].get("name")
            if found is None or found.get("observedGeneration", 0) < generation:
                return f"gateway {name!r} has not taken up the newest route yet"
            if found["status"] != "True":
                return (
                    f"gateway {name!r} says {kind} is {found['status']}: {found.get('reason')}: {found.get('message')}"
                )
    return ""


def _gateway(ref: Object, route: Object) -> tuple[str, str, str]:
    """One listener or all of a Gateway as the API server would complete the reference."""
    namespace = ref.get("namespace", route["metadata"]["namespace"])
    return namespace, ref["name"], ref.get("sectionName", "")

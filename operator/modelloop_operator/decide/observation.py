"""What one pass saw of one MLModel; everything a decision may depend on, besides the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Literal

from modelloop_core.api import MLModel
from modelloop_core.api.figures import RolloutFigures
from modelloop_core.feature_schema import Task
from modelloop_core.versions import Version
from modelloop_core.wire.evidence import Verdict
from modelloop_core.wire.reports import Level
from modelloop_core.wire.runs import ReplayOutcome


@dataclass(frozen=True)
class Release:
    """A complete version in the registry and what its predictions are."""

    version: Version
    task: Task


@dataclass(frozen=True)
class Catalog:
    """What the registry held when it was last read; `broken` maps folders that are no usable version to why."""

    releases: Mapping[Version, Release]
    broken: Mapping[Version, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CatalogUnknown:
    """The registry could not be read: a one-word reason and what was found."""

    reason: str
    message: str


@dataclass(frozen=True)
class Trouble:
    """Why a version's pods do not become ready; `permanent` when trying again cannot help."""

    reason: str
    message: str
    permanent: bool = False


@dataclass(frozen=True)
class Pods:
    """The pods of one version as its Deployment reports them.

    `settled` when the newest template runs everywhere, `reachable` counts pods with ready endpoints (looked up for a
    ready candidate only), `count_is_ours` while the operator and not an autoscaler sets `desired`. `crashes` counts how
    often containers that served have failed since a candidate got traffic or copies (looked up while it has), or since
    what is live was promoted (while others are warm).
    """

    desired: int
    ready: int
    settled: bool
    reachable: int
    count_is_ours: bool = True
    deadline_exceeded: bool = False
    trouble: Trouble | None = None
    crashes: int = 0


@dataclass(frozen=True)
class Route:
    """Where traffic goes: `accepted` when every gateway took the route once, `confirmed` when in its newest form.

    `named` is the version that the Service under the model's own name leads to, `mirrors` has whom copies of how many
    percent of the requests go to, `controllers` who answered for the route's gateways.
    """

    weights: Mapping[Version, int]
    confirmed: bool
    problem: str = ""
    accepted: bool = True
    named: Version | None = None
    mirrors: Mapping[Version, int] = field(default_factory=dict)
    controllers: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Capabilities:
    """What this cluster offers, and whether the installation names a Prometheus."""

    gateway_api: bool = False
    envoy_gateway: bool = False
    gpu_nodes: bool = True
    prometheus: bool = False


@dataclass(frozen=True)
class Policy:
    """The operator's own bounds; installed with it, not part of any MLModel."""

    drain: timedelta = timedelta(seconds=30)
    recheck: timedelta = timedelta(seconds=5)
    longest_recheck: timedelta = timedelta(seconds=30)
    idle: timedelta = timedelta(minutes=5)


@dataclass(frozen=True)
class Request:
    """A person's command by annotation: obeyed once per id."""

    id: str
    verb: str
    by: str = ""


class FallbackUse(StrEnum):
    """How many of the last answers were the fallback's: none to speak of, some, or so many that the model fails."""

    UNKNOWN = "unknown"
    FEW = "few"
    SOME = "some"
    MANY = "many"


@dataclass(frozen=True)
class Report:
    """What the monitor last said of an MLModel: the newest window's level, and an incident's once it lasted."""

    level: Level
    incident: Level | None = None
    version: str | None = None
    features: tuple[str, ...] = ()
    fallback: FallbackUse = FallbackUse.UNKNOWN


@dataclass(frozen=True)
class NoReport:
    """Why nothing is known of an MLModel's traffic: a one-word reason and what was found."""

    reason: str
    message: str


@dataclass(frozen=True)
class Measured:
    """What one metric of the spec said: its number and limit, or why there is no number."""

    name: str
    verdict: Verdict
    message: str
    dry_run: bool = False


@dataclass(frozen=True)
class Judgement:
    """What was last said of the version that is tried, by the monitor and by metrics of the spec's own.

    `winner` is who does better in an A/B test, once that is shown, `experiment` how it stands, and `figures` are the
    numbers for people.
    """

    verdict: Verdict
    reason: str
    message: str
    metrics: tuple[Measured, ...] = ()
    winner: Literal["candidate", "stable"] | None = None
    experiment: str = ""
    figures: RolloutFigures | None = None


UNJUDGED = Judgement(Verdict.ERROR, "EvidencePending", "the monitor has not been asked about this step yet")

AWAY, REFUSED = "MonitorUnreachable", "MonitorRefused"
"""Reasons of a NoReport: the monitor does not answer, or answers that it will not."""

UNREADABLE_OUTCOME, UNTELLING_OUTCOME = "OutcomeUnreadable", "OutcomeTellsNothing"
USELESS_OUTCOMES = frozenset({UNREADABLE_OUTCOME, UNTELLING_OUTCOME})
"""Reasons of a Trouble with a run whose outcome is there and of no use."""

NO_MONITOR = NoReport("NoMonitor", "this installation has no monitor: install charts/modelloop with monitor.enabled")
NOT_YET_READ = NoReport("ReportPending", "the monitor has not been asked yet")


@dataclass(frozen=True)
class Observation:
    """One MLModel, its children, its registry and the cluster, at one moment.

    `last_live` is the version that the registry's history names for this MLModel; it is read only when status
    holds no stable version. `scaling_problems` says per version why its autoscaler cannot scale, empty when it can; a
    version whose autoscaler has not said anything is absent. `watch_problem` is why a part of spec.monitoring cannot be
    obeyed, if one cannot. `replay` is what came of the run that status names, or what its Job suffers from.
    """

    model: MLModel
    catalog: Catalog | CatalogUnknown
    pods: Mapping[Version, Pods] = field(default_factory=dict)
    route: Route | None = None
    capabilities: Capabilities = Capabilities()
    last_live: Version | None = None
    request: Request | None = None
    request_problem: str = ""
    foreign: tuple[str, ...] = ()
    rejected: str = ""
    address: str = ""
    ingress_taken_up: bool = False
    scaling_problems: Mapping[Version, str] = field(default_factory=dict)
    watch: Report | NoReport = NO_MONITOR
    watch_problem: NoReport | None = None
    judgement: Judgement | None = None
    replay: ReplayOutcome | Trouble | None = None

    @property
    def stable(self) -> Version | None:
        """The version that serves, as committed."""
        block = self.model.status.stable
        return Version.parse(block.version) if block else None

    @property
    def candidate(self) -> Version | None:
        """The version being brought up, as committed."""
        block = self.model.status.candidate
        return Version.parse(block.version) if block else None

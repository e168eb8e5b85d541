"""`status` of an MLModel: what the operator decided and observed, for people and for its next pass."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from modelloop_core.api.fields import keyed_by
from modelloop_core.api.figures import RolloutFigures
from modelloop_core.api.past_rollouts import PAST_ROLLOUTS_LENGTH, AskedFor, PastRollout, StepsTaken
from modelloop_core.api.status_object import StatusObject as _StatusObject
from modelloop_core.versions import Version

KnownVersion = Annotated[str, AfterValidator(lambda text: str(Version.parse(text)))]
HISTORY_LENGTH = 10
FAILED_VERSIONS_LENGTH = 20
DRIFTED_FEATURES_LENGTH = 5


class VersionStatus(_StatusObject):
    """One version that has, or is meant to have, pods."""

    version: KnownVersion = Field(description="Version in the registry.")
    readyReplicas: int = Field(default=0, description="Pods that answer.")
    requestedWeight: int = Field(default=0, ge=0, le=100, description="Share of traffic asked for, in percent.")
    effectiveWeight: int | None = Field(
        default=None, ge=0, le=100, description="Share the gateway confirmed, in percent; absent means unknown."
    )
    since: str | None = Field(default=None, description="When it took this role (RFC 3339).")
    warmUntil: str | None = Field(
        default=None, description="When its pods may leave; absent while requests may still go to it."
    )


class HistoryEntry(_StatusObject):
    """A version that was live."""

    version: str = Field(description="Version in the registry.")
    from_: str = Field(alias="from", description="When it went live (RFC 3339).")
    until: str | None = Field(default=None, description="When it was replaced; absent while it is live.")
    reason: str = Field(default="", description="Why it went live.")
    evidence: str = Field(default="", description="What was found, of one that an A/B test brought.")

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class FailedVersion(_StatusObject):
    """A version that was tried here and refused; tried again when the pin moved away and back, when the spec says other
    things about its pods, or by request."""

    version: KnownVersion = Field(description="Version in the registry.")
    reason: str = Field(description="One word.")
    message: str = Field(default="", description="What was found.")
    at: str = Field(description="When it was refused (RFC 3339).")
    pin: str | None = Field(default=None, description="spec.version at that time.")
    podsDigest: str | None = Field(
        default=None, description="Digest of what spec said about its pods at that time; their number is left aside."
    )


class HandledRequest(_StatusObject):
    """The last command of a person that was obeyed or refused."""

    id: str = Field(description="Identity of the request.")
    verb: str = Field(default="", description="What was asked.")
    outcome: str = Field(default="", description="Done or Refused.")
    message: str = Field(default="", description="Why.")
    at: str | None = Field(default=None, description="When (RFC 3339).")


class StagingStatus(_StatusObject):
    """What a version went through before any traffic."""

    since: str = Field(description="When its pods were ready for it (RFC 3339).")
    run: str | None = Field(default=None, description="Name of the Job, and of its outcome in the registry; if any.")
    verdict: str | None = Field(default=None, description="Passed or Failed; absent before, and where nothing ran.")
    message: str = Field(default="", description="What was found.")


class MetricStatus(_StatusObject):
    """What a metric of spec.rollout.analysis.metrics said when that last changed."""

    name: str = Field(description="Its name.")
    verdict: str = Field(description="Passed, Failed, Inconclusive or Error.")
    message: str = Field(default="", description="The number and its limit, or why there is none.")
    dryRun: bool = Field(default=False, description="Whether it is told and not judged.")


class RolloutStatus(_StatusObject):
    """Where a new version stands on its way; weights stand in the blocks of the versions."""

    strategy: str = Field(description="Canary, AB, or BlueGreen when all traffic moves at once.")
    startedAt: str = Field(description="When its pods were asked for (RFC 3339).")
    stepIndex: int = Field(
        default=0, ge=0, description="Step of spec.rollout.steps that is made ready or held, from 0; the last is 100."
    )
    advancing: bool = Field(
        default=True, description="Whether pods for the next weight are made ready; else the present one is held."
    )
    preparingSince: str | None = Field(
        default=None, description="Since when these pods are waited for (RFC 3339); absent while they are ready."
    )
    stepStartedAt: str | None = Field(
        default=None, description="When the present weight was confirmed (RFC 3339); absent before."
    )
    judgedSince: str | None = Field(
        default=None, description="When the version got its first share of traffic (RFC 3339): evidence begins there."
    )
    verdict: str | None = Field(default=None, description="Passed, Failed, Inconclusive or Error; absent before.")
    evidence: str = Field(default="", description="What was found when the verdict changed.")
    metrics: list[MetricStatus] = Field(
        default=[], description="What each metric of the spec said.", json_schema_extra=keyed_by("name")
    )
    figures: RolloutFigures | None = Field(
        default=None,
        description="Numbers behind the verdict, as of the last answer of the monitor: written once each "
        "analysis.interval at the most.",
    )
    inconclusiveSince: str | None = Field(
        default=None, description="Since when nothing but a verdict is missing (RFC 3339)."
    )
    failedChecks: int = Field(default=0, ge=0, description="How often it lost all its pods while it had traffic.")
    approvedWeight: int | None = Field(default=None, description="Weight at which a person said yes to go on.")
    mirror: int | None = Field(
        default=None, description="Share of the requests of which it gets copies, in percent; absent without."
    )
    outcome: str = Field(default="", description="How an A/B test ended, once it did: ABWon or ABUndecided.")
    promoted: bool = Field(default=False, description="Whether a person asked to go on to 100 at once.")
    paused: bool = Field(default=False, description="Whether a person asked to stay where it is.")
    staging: StagingStatus | None = Field(
        default=None, description="What came before any traffic; absent until its pods are ready for it, or without."
    )
    serving: dict[str, Any] | None = Field(
        default=None,
        description="spec.serving as it was when the version got its first share, but for the number of pods: pods "
        "change when the rollout is over.",
        json_schema_extra={"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    )
    steps: StepsTaken = Field(default=[])
    asked: AskedFor = Field(default=[])
    waitsFor: str = Field(default="", description="One word: what it waits for.")
    until: str | None = Field(default=None, description="When that ends at the latest, if a time ends it (RFC 3339).")


class DriftStatus(_StatusObject):
    """What the monitor says of the live traffic; written when `level` changes, the numbers live in metrics."""

    level: str = Field(
        description="stable, trend, moderate, drift (only once it lasted), insufficient-data or no-data."
    )
    since: str = Field(description="Since when (RFC 3339).")
    version: str | None = Field(default=None, description="The version that was judged.")
    features: Annotated[list[str], Field(max_length=DRIFTED_FEATURES_LENGTH)] = Field(
        default=[],
        description="What had moved most when the level changed, the worst first.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )


class Condition(_StatusObject):
    """A Kubernetes condition."""

    type: str = Field(description="Name of the condition.")
    status: Literal["True", "False", "Unknown"] = Field(description="True, False or Unknown.")
    reason: str = Field(description="One word.")
    message: str = Field(default="", description="A sentence for people.")
    lastTransitionTime: str = Field(description="When status last changed (RFC 3339).")
    observedGeneration: int = Field(default=0, description="Generation of the spec it speaks of.")


_VERSION_LIST = keyed_by("version")


class MLModelStatus(_StatusObject):
    """What is live, what is being tried, and why it waits."""

    observedGeneration: int = Field(default=0, description="Generation of the spec this status speaks of.")
    stable: VersionStatus | None = Field(default=None, description="The version that serves.")
    candidate: VersionStatus | None = Field(default=None, description="The version being brought up or tried.")
    warm: list[VersionStatus] = Field(
        default=[],
        description="Versions that served and whose pods have not left yet.",
        json_schema_extra=_VERSION_LIST,
    )
    history: Annotated[list[HistoryEntry], Field(max_length=HISTORY_LENGTH)] = Field(
        default=[],
        description="The last versions that were live, newest last.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    failedVersions: Annotated[list[FailedVersion], Field(max_length=FAILED_VERSIONS_LENGTH)] = Field(
        default=[], description="Versions that were tried and refused.", json_schema_extra=_VERSION_LIST
    )
    rollout: RolloutStatus | None = Field(default=None, description="How far the candidate is; absent without one.")
    pastRollouts: Annotated[list[PastRollout], Field(max_length=PAST_ROLLOUTS_LENGTH)] = Field(
        default=[],
        description="The last rollouts that are over, newest last.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    drift: DriftStatus | None = Field(default=None, description="Whether what comes in still looks as in training.")
    handledRequest: HandledRequest | None = Field(default=None, description="The last command that was answered.")
    conditions: list[Condition] = Field(
        default=[],
        description="Ready, CandidateReady, RolloutProgressing, RolloutJudged, MirrorAvailable, MetricsAvailable, "
        "RouteAccepted, DeviceAvailable, ScalingAvailable, MonitoringAvailable, Degraded, Drifted, Stalled, "
        "Reconciling.",
        json_schema_extra=keyed_by("type"),
    )
    replicas: int = Field(default=0, description="Pods of the live version (scale).")
    selector: str = Field(default="", description="Label selector of the live version's pods (scale).")
    url: str = Field(default="", description="Where to send predictions.")
    phase: str = Field(default="", description="One word for people; nothing decides by it.")
    message: str = Field(default="", description="One sentence for people; nothing decides by it.")

    def condition(self, kind: str) -> Condition | None:
        """The condition of that type, or None."""
        return next((condition for condition in self.conditions if condition.type == kind), None)

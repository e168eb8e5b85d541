"""`GET /v1/models/{namespace}/{name}/evidence`: how a candidate does beside the live version, over the same minutes.

The operator asks with the fields of EvidenceQuery and is answered RolloutEvidence. What the operator sees itself is not
in it: restarts, crash loops and readiness it judges on its own, so that a candidate which dies before it can post is
taken back although nobody counted anything, and whether the monitor answers or not.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from modelloop_core.wire.events import AskedEvent, read_events
from modelloop_core.wire.reports import MODELS_PATH, Interval
from modelloop_core.wire.settings import QualityMetric

_Version = Annotated[str, Field(min_length=1, max_length=253)]
_Increase = Annotated[float, Field(ge=1, le=100)]

COMPARED_METRICS: tuple[QualityMetric, ...] = ("accuracy", "auc", "brier", "log_loss", "mae")
"""Of two versions at any time: means of what each prediction is worth, and AUC. F1, ECE and RMSE are neither."""


def evidence_path(namespace: str, name: str) -> str:
    """Where the evidence of a model's rollout is asked for."""
    return f"{MODELS_PATH}/{namespace}/{name}/evidence"


OUTPUT_METRICS = ("mean_prediction", "positive_rate")
"""Of the answers alone: their mean, and the share at or over the threshold of a binary model."""


class EvidenceQuery(BaseModel):
    """What is asked: `version`, the candidate, against the live one, since traffic first went to the candidate.

    Evidence to fail adds up over the whole rollout, so `since` stays the same through all steps; `step_since` is when
    the step began, in which the candidate needs `min_requests` to pass. A limit that is None is not judged, all others
    share `false_rollback_rate`. Where the candidate is `mirrored` its counts are those of the copies that came to it,
    and `min_agreement` is the share of them that it has to answer as the live version does.
    `quality_metric` is compared as soon as it is named, and so are `events` (AskedEvent);
    what has no limit fails nobody. Labels are due `label_delay_seconds` after their predictions. A version without a
    reference has no answers to compare: `without_reference` says whether that holds it. `ab_metric` is what an A/B test
    decides by: a quality metric, one of OUTPUT_METRICS or one of `events`; `ab_higher` says whether more of it is
    better, where that is not known. Write it into an address with `parameters`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    version: _Version
    against: _Version
    since: AwareDatetime
    step_since: AwareDatetime | None = None
    min_requests: int = Field(default=200, ge=1, le=10**9)
    false_rollback_rate: float = Field(default=0.01, ge=1e-6, le=0.5)
    max_error_rate: float | None = Field(default=None, gt=0, lt=1)
    max_error_increase: _Increase | None = None
    max_latency_p95_seconds: float | None = Field(default=None, gt=0, le=10)
    max_latency_increase: _Increase | None = None
    max_prediction_psi: float | None = Field(default=None, gt=0, le=10)
    mirrored: bool = False
    min_agreement: float | None = Field(default=None, gt=0, lt=1)
    without_reference: Literal["Hold", "Skip"] = "Hold"
    quality_metric: Literal["accuracy", "auc", "brier", "log_loss", "mae"] | None = None
    max_quality_drop: float | None = Field(default=None, gt=0, le=1e9)
    label_delay_seconds: float = Field(default=0.0, ge=0, le=1e9)
    events: str = Field(default="", max_length=4096)
    ab_metric: str | None = Field(default=None, min_length=1, max_length=63)
    ab_higher: bool = True
    ab_false_positive_rate: float = Field(default=0.05, ge=0.0001, le=0.5)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.version == self.against:
            raise ValueError(f"version {self.version} cannot be judged against itself")
        if self.step_since is not None and self.step_since < self.since:
            raise ValueError("step_since is before since: a step begins with its rollout, or later")
        if self.min_agreement is not None and not self.mirrored:
            raise ValueError("min_agreement needs mirrored: only then two versions answer the same requests")
        if self.max_prediction_psi is not None and self.mirrored:
            raise ValueError("max_prediction_psi is not for mirrored requests: their answers are compared one by one")
        if self.max_quality_drop is not None and self.quality_metric is None:
            raise ValueError("max_quality_drop needs quality_metric, which says of what")
        known = {*COMPARED_METRICS, *OUTPUT_METRICS, *(event.name for event in read_events(self.events))}
        if self.ab_metric is not None and self.ab_metric not in known:
            raise ValueError(f"ab_metric {self.ab_metric} is none of {', '.join(sorted(known))}")
        return self

    @property
    def asked_events(self) -> tuple[AskedEvent, ...]:
        """The business events that are compared."""
        return read_events(self.events)

    @property
    def compares(self) -> bool:
        """Whether anything is held against the live version."""
        limits = (self.max_error_increase, self.max_latency_increase, self.max_prediction_psi, self.min_agreement)
        return any(limit is not None for limit in limits)

    def parameters(self) -> dict[str, str]:
        """The query string's parameters; of two queries that ask the same they are the same."""
        # A monitor of before refuses words that it does not know: only what is asked for is said.
        said = self.model_dump(mode="json", exclude_defaults=True)
        limits = {"min_requests": self.min_requests, "false_rollback_rate": self.false_rollback_rate}
        return {name: str(value) for name, value in {**said, **limits}.items()}


class Verdict(StrEnum):
    """What is known of a candidate; of several checks the first of these that one has, `Passed` when all have it."""

    FAILED = "Failed"
    ERROR = "Error"
    INCONCLUSIVE = "Inconclusive"
    PASSED = "Passed"


class CheckName(StrEnum):
    """What is judged: each has one limit in EvidenceQuery, but `RefusalIncrease` that of `ErrorIncrease`.

    That of `Disagreement` is what `min_agreement` leaves: the share of answers that may differ.
    """

    ERROR_RATE = "ErrorRate"
    ERROR_INCREASE = "ErrorIncrease"
    REFUSAL_INCREASE = "RefusalIncrease"
    LATENCY_P95 = "LatencyP95"
    LATENCY_INCREASE = "LatencyIncrease"
    PREDICTION_PSI = "PredictionPSI"
    DISAGREEMENT = "Disagreement"
    QUALITY_DROP = "QualityDrop"
    BUSINESS_DROP = "BusinessDrop"


class _Told(BaseModel):
    # Not "forbid": a reader of an older release goes on when a newer monitor says more.
    model_config = ConfigDict(frozen=True)


class Share(_Told):
    """`hits` of `of` requests; of the live version's slow ones a bucket's part may count, so hits need not be whole."""

    hits: float
    of: int

    @property
    def rate(self) -> float | None:
        """The share, or None of nothing."""
        return self.hits / self.of if self.of else None


class Check(_Told):
    """One check: its verdict, and the numbers behind it.

    `limit` is what was asked for. `value` is what was seen, in the limit's units: a rate, a ratio, seconds, a PSI.
    `at_least` is what is shown of it, whenever one looks (None: nothing yet), and the check fails when that is beyond
    the limit. `at_most` is what cannot be excluded yet at these counts (95 %). `e_value` is the largest evidence so far
    against "within the limit"; the check fails from `needed` on, for good (`failed_at`). Both are None of outputs.
    `subject` is the metric or event that is compared, of checks that there may be several of. `hint` says what a person
    can do where time alone does not help, in the same words each time.
    """

    name: CheckName
    verdict: Verdict
    limit: float
    value: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    candidate: Share | None = None
    stable: Share | None = None
    e_value: float | None = None
    needed: float | None = None
    failed_at: AwareDatetime | None = None
    subject: str = ""
    hint: str = ""
    message: str


class VersionTraffic(_Told):
    """Live requests of one version from `since` to `until`; forced and mirrored ones are not among them.

    Of a candidate that is mirrored they are the copies that came to it.

    `errors` are faults of the predictor by reason and `timeouts` among them; `gone` callers left before the answer,
    `refused` were asked for what the version does not take. Latencies are of those answered, fallbacks included.
    `last_post` is the last minute of which its predictors told anything, traffic or not.
    """

    version: str
    requests: int = 0
    rows: int = 0
    errors: int = 0
    timeouts: int = 0
    gone: int = 0
    fallbacks: int = 0
    refused: int = 0
    latency_p50: float | None = None
    latency_p95: float | None = None
    latency_p99: float | None = None
    last_post: AwareDatetime | None = None


class Measured(_Told):
    """What one version is worth by itself: `value` with its usual interval, from `of` predictions or requests."""

    of: int = 0
    value: Interval = Interval(value=None)


class Comparison(_Told):
    """A metric of both versions over the rollout, and how much they differ over the same hours.

    `difference` is the candidate's less the live version's; `low` and `high` hold it with `confidence` however often
    one looks. Both are None while too little is there, and `note` says what is missing. Rates are shares of requests,
    sums are amounts for each request. `higher` says whether more is better.
    """

    metric: str
    kind: Literal["quality", "rate", "sum", "output"]
    higher: bool
    candidate: Measured = Measured()
    stable: Measured = Measured()
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    note: str = ""


class Experiment(Comparison):
    """An A/B test: the metric that decides it, and who does better by it, once that is shown, for good.

    `e_better` and `e_worse` are the largest evidence so far that the candidate is better, or worse; from `needed` on
    one of them decides (`decided_at`).
    """

    winner: Literal["candidate", "stable"] | None = None
    decided_at: AwareDatetime | None = None
    e_better: float = 1.0
    e_worse: float = 1.0
    needed: float
    message: str


class RolloutEvidence(_Told):
    """The verdict over all checks and why, over whole intervals from `since` to `until`.

    `step_requests` counts the candidate's requests since the step began. `stable_failing` says that the live version
    is shown to break a limit itself: that fails nobody, and a person should know. `comparisons` are what was asked for
    beyond traffic: the quality metric and the business events, whether they have a limit or not. `experiment` is the
    A/B test, of which the verdict knows nothing.
    """

    namespace: str
    name: str
    verdict: Verdict
    message: str
    checks: tuple[Check, ...] = ()
    since: AwareDatetime
    until: AwareDatetime
    interval_seconds: int
    candidate: VersionTraffic
    stable: VersionTraffic
    step_requests: int = 0
    stable_failing: bool = False
    comparisons: tuple[Comparison, ...] = ()
    experiment: Experiment | None = None
    generated: AwareDatetime

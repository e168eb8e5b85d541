"""`GET /v1/models/{namespace}/{name}/evidence`: how a candidate does beside the live version, over the same minutes.

The operator asks with the fields of EvidenceQuery and is answered RolloutEvidence. What the operator sees itself is not
in it: restarts, crash loops and readiness it judges on its own, so that a candidate which dies before it can post is
taken back although nobody counted anything, and whether the monitor answers or not.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from modelloop_core.wire.reports import MODELS_PATH

_Version = Annotated[str, Field(min_length=1, max_length=253)]
_Increase = Annotated[float, Field(ge=1, le=100)]


def evidence_path(namespace: str, name: str) -> str:
    """Where the evidence of a model's rollout is asked for."""
    return f"{MODELS_PATH}/{namespace}/{name}/evidence"


class EvidenceQuery(BaseModel):
    """What is asked: `version`, the candidate, against the live one, since traffic first went to the candidate.

    Evidence to fail adds up over the whole rollout, so `since` stays the same through all steps; `step_since` is when
    the step began, in which the candidate needs `min_requests` to pass. A limit that is None is not judged, all others
    share `false_rollback_rate`. Where the candidate is `mirrored` its counts are those of the copies that came to it,
    and `min_agreement` is the share of them that it has to answer as the live version does. Write it into an address
    with `parameters`.
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
        return self

    @property
    def compares(self) -> bool:
        """Whether anything is held against the live version."""
        limits = (self.max_error_increase, self.max_latency_increase, self.max_prediction_psi, self.min_agreement)
        return any(limit is not None for limit in limits)

    def parameters(self) -> dict[str, str]:
        """The query string's parameters; of two queries that ask the same they are the same."""
        said = self.model_dump(mode="json", exclude_none=True)
        # A monitor of before does not know the word, and there is nothing to say.
        return {name: str(value) for name, value in said.items() if (name, value) != ("mirrored", False)}


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


class RolloutEvidence(_Told):
    """The verdict over all checks and why, over whole intervals from `since` to `until`.

    `step_requests` counts the candidate's requests since the step began. `stable_failing` says that the live version
    is shown to break a limit itself: that fails nobody, and a person should know.
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
    generated: AwareDatetime

"""What the monitor reports of a model: read by the operator, the command line and the dashboard."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

MODELS_PATH = "/v1/models"


class Level(StrEnum):
    """What a window says of a column, or of a model as a whole."""

    STABLE = "stable"
    TREND = "trend"
    MODERATE = "moderate"
    DRIFT = "drift"
    INSUFFICIENT = "insufficient-data"
    NO_DATA = "no-data"


class _Report(BaseModel):
    # Not "forbid": a reader of an older release goes on when a newer monitor says more.
    model_config = ConfigDict(frozen=True)


class Window(_Report):
    """A stretch of time, `until` exclusive."""

    since: AwareDatetime
    until: AwareDatetime


class ColumnReport(_Report):
    """One feature or output in one window against its reference; numbers as `docs/drift.md` defines them, or null.

    `severity` is the size of what changed most in units of its band: from 1 on it is drift, once resolved.
    """

    name: str
    part: Literal["feature", "output"]
    kind: Literal["numeric", "categorical"]
    role: Literal["key", "watch", "ignore"] = "watch"
    verdict: Level
    reference_n: int
    current_n: int
    reference_null: int
    current_null: int
    psi: float | None = None
    kl: float | None = None
    js_distance: float | None = None
    hellinger: float | None = None
    l_infinity: float | None = None
    wasserstein: float | None = None
    wasserstein_over_sd: float | None = None
    ks_statistic: float | None = None
    ks_pvalue: float | None = None
    chi2_statistic: float | None = None
    chi2_pvalue: float | None = None
    adjusted_pvalue: float | None = None
    severity: float | None = None
    psi_previous: float | None = None
    unseen_levels: tuple[str, ...] = ()
    consecutive: int = 0
    note: str = ""


class Incident(_Report):
    """One stretch of drift of a model, from the window that opened it to the one that closed it."""

    id: str
    opened: AwareDatetime
    level: Level
    features: tuple[str, ...]
    closed: AwareDatetime | None = None
    silenced_until: AwareDatetime | None = None
    message: str = ""


class RecentTraffic(_Report):
    """Live requests of all versions in the last whole minutes; what the operator tells a failing service by."""

    since: AwareDatetime
    until: AwareDatetime
    requests: int
    errors: int
    fallbacks: int


class DriftReport(_Report):
    """`GET /v1/models/{namespace}/{name}/drift`: the last judged window of the version with the most traffic."""

    namespace: str
    name: str
    version: str | None
    reference: str | None
    window: Window | None
    verdict: Level
    rows: int = 0
    columns: tuple[ColumnReport, ...] = ()
    incident: Incident | None = None
    recent: RecentTraffic | None = None
    message: str = ""
    generated: AwareDatetime


class Interval(_Report):
    """An estimate with its interval at `confidence`."""

    value: float | None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95


class BusinessReport(_Report):
    """What followed the predictions of one version in one window, by one event's name.

    `rate` is the share of `requests` with an event that is not 0; `mean` is the sum of values for each request, `total`
    that of all. Either the rate is told, or mean and total.
    """

    kind: Literal["rate", "sum"]
    requests: int
    events: int
    rate: Interval | None = None
    mean: Interval | None = None
    total: Interval | None = None


class QualityReport(_Report):
    """One version's quality in one window: `metrics` by name from labels, `estimated` by name without them.

    `predictions` are those logged, `labelled` those with labels by now; `left_out` of them had a label that is none of
    the model's. `estimate_note` says what an estimate assumes, or why there is none.
    """

    version: str
    window: Window
    predictions: int
    labelled: int
    left_out: int = 0
    share_labelled: Interval | None = None
    metrics: dict[str, Interval] = Field(default_factory=dict)
    estimated: dict[str, Interval] = Field(default_factory=dict)
    estimate_note: str = ""
    business: dict[str, BusinessReport] = Field(default_factory=dict)
    message: str = ""


class ErrorChange(_Report):
    """From `since` on errors were `after` on average where they had been `before`: concept drift, found by ADWIN."""

    since: AwareDatetime
    before: float
    after: float


class VersionFeedback(_Report):
    """How labels come for one version, and whether its errors began to grow; seconds from prediction to label."""

    version: str
    labelled: int
    latency_median: float | None = None
    latency_p90: float | None = None
    worsened: ErrorChange | None = None


class DataQuality(_Report):
    """What one version was asked in one window; each share with its interval.

    `invalid` are requests refused for what they asked, `invalid_by` by what was wrong with their values: `missing`,
    `wrong-type`, `out-of-domain` (a level that the version does not take included), `wrong-shape`. `nulls` and `unseen`
    (levels that the reference has not) are by feature, those with any. `duplicates` are logged predictions whose
    request id had come before.
    """

    version: str
    window: Window
    rows: int
    requests: int
    invalid: Interval
    invalid_by: dict[str, Interval] = Field(default_factory=dict)
    duplicates: Interval
    nulls: dict[str, Interval] = Field(default_factory=dict)
    unseen: dict[str, Interval] = Field(default_factory=dict)
    unseen_levels: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class ModelQuality(_Report):
    """`GET /v1/models/{namespace}/{name}/quality`: versions and windows, newest last.

    `silent_seconds` is how long ago a predictor of the model last posted, null when none ever did.
    """

    namespace: str
    name: str
    reports: tuple[QualityReport, ...] = ()
    feedback: tuple[VersionFeedback, ...] = ()
    data: tuple[DataQuality, ...] = ()
    waiting: int = 0
    silent_seconds: float | None = None
    generated: AwareDatetime

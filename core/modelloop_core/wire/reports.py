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


class QualityReport(_Report):
    """One version's quality in one window: `metrics` by name from labels, `estimated` by name without them."""

    version: str
    window: Window
    predictions: int
    labelled: int
    metrics: dict[str, Interval] = Field(default_factory=dict)
    estimated: dict[str, Interval] = Field(default_factory=dict)
    message: str = ""


class ModelQuality(_Report):
    """`GET /v1/models/{namespace}/{name}/quality`: versions and windows, newest last."""

    namespace: str
    name: str
    reports: tuple[QualityReport, ...] = ()
    generated: AwareDatetime

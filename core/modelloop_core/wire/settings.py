"""`PUT /v1/models/{namespace}/{name}/settings`: how the monitor is to watch one model; the operator writes it.

The body is the whole of the settings: what is absent has its default, and putting the same again changes nothing. The
operator puts them again at least every RENEWED_SECONDS while the MLModel exists: settings that were not renewed for
FORGOTTEN_SECONDS belong to an MLModel that is gone, and no alert is raised for its silence.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from modelloop_core.feature_schema import Task
from modelloop_core.wire.reports import MODELS_PATH

RENEWED_SECONDS = 900
FORGOTTEN_SECONDS = 4 * RENEWED_SECONDS

MOST_FEATURES = 512
MOST_BUSINESS = 16

Role = Literal["key", "watch", "ignore"]
"""What `key` features do may start a retraining; they and `watch` ones open incidents, `ignore` are only counted."""

Method = Literal["psi", "js", "ks"]
"""The distance by which a feature is judged; each has its own null quantile."""

QualityMetric = Literal["accuracy", "auc", "f1", "log_loss", "brier", "ece", "mae", "rmse"]
"""By the names that `QualityReport.metrics` has."""

METRICS: dict[Task, tuple[QualityMetric, ...]] = {
    Task.BINARY: ("accuracy", "auc", "f1", "log_loss", "brier", "ece"),
    Task.MULTICLASS: ("accuracy", "f1", "log_loss", "ece"),
    Task.REGRESSION: ("mae", "rmse"),
}
"""Which metrics a task has."""

HIGHER_IS_BETTER = frozenset({"accuracy", "auc", "f1"})

BusinessKind = Literal["rate", "sum"]
Severity = Literal["info", "warning", "critical"]


def settings_path(namespace: str, name: str) -> str:
    """Where a model's settings are put."""
    return f"{MODELS_PATH}/{namespace}/{name}/settings"


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FeatureSettings(_Wire):
    """How one feature is judged; `significant` None means that of the model."""

    name: str = Field(min_length=1, max_length=128)
    role: Role = "watch"
    method: Method = "psi"
    significant: float | None = Field(default=None, gt=0, le=10)


class DriftSettings(_Wire):
    """When features and outputs have drifted; the meaning of each number is in `docs/drift.md`."""

    moderate: float = Field(default=0.1, gt=0, le=10)
    significant: float = Field(default=0.2, gt=0, le=10)
    min_samples: int = Field(default=500, ge=1)
    consecutive_windows: int = Field(default=3, ge=1, le=100)
    false_alarm_rate: float = Field(default=0.01, gt=0, lt=1)
    features: tuple[FeatureSettings, ...] = Field(default=(), max_length=MOST_FEATURES)


class QualitySettings(_Wire):
    """The metric that must stay at or above `min`, or at or below `max`, once labels had `label_delay_seconds`."""

    metric: QualityMetric
    min: float | None = None
    max: float | None = None
    label_delay_seconds: float = Field(default=86_400.0, ge=0)


class BusinessSettings(_Wire):
    """A business event by name: a share of predictions (`rate`) or an amount (`sum`)."""

    name: str = Field(pattern="^[a-z][a-z0-9_]{0,62}$")
    kind: BusinessKind


class WebhookSettings(_Wire):
    """Where incidents are posted as JSON; with a `key` the body is signed by HMAC-SHA256."""

    url: str = Field(pattern="^https?://", max_length=2048)
    key: str | None = Field(default=None, min_length=1, max_length=1024)


class AlertmanagerSettings(_Wire):
    """An Alertmanager (API v2) by its address, with a bearer `token` if it asks for one."""

    url: str = Field(pattern="^https?://", max_length=2048)
    token: str | None = Field(default=None, min_length=1, max_length=8192)


class AlertSettings(_Wire):
    """Who is told of incidents, and how grave they are."""

    severity: Severity = "warning"
    webhook: WebhookSettings | None = None
    alertmanager: AlertmanagerSettings | None = None


class ModelSettings(_Wire):
    """All settings of one model; `retention_seconds` bounds how long its logged predictions are kept for labels."""

    schema_version: int = Field(default=1, ge=1, le=1)
    task: Task | None = None
    window_seconds: Annotated[int, Field(ge=10, le=86_400)] = 3600
    retention_seconds: float = Field(default=30 * 86_400.0, gt=0)
    drift: DriftSettings = DriftSettings()
    quality: QualitySettings | None = None
    business: tuple[BusinessSettings, ...] = Field(default=(), max_length=MOST_BUSINESS)
    alerts: AlertSettings = AlertSettings()

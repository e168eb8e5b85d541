"""What the monitor is told about an MLModel: a pure function of its spec and of the Secrets that its alerts name."""

from __future__ import annotations

from collections.abc import Mapping

from modelloop_core.api import MLModel
from modelloop_core.api.alerts import Alerts
from modelloop_core.api.fields import delay, seconds
from modelloop_core.api.monitoring import Drift, Quality
from modelloop_core.feature_schema import Task
from modelloop_core.wire.settings import (
    METRICS,
    AlertmanagerSettings,
    AlertSettings,
    BusinessSettings,
    DriftSettings,
    FeatureSettings,
    ModelSettings,
    QualitySettings,
    WebhookSettings,
)
from modelloop_operator.decide.observation import NoReport

Secrets = Mapping[str, Mapping[str, str]]
"""By name, the Secrets that could be read."""


def settings_of(model: MLModel, task: Task | None, secrets: Secrets) -> ModelSettings:
    """All settings of a model whose live version is of `task`; alerts whose Secret is missing reach nobody."""
    watched = model.spec.watched
    task = task or model.spec.task
    return ModelSettings(
        task=task,
        window_seconds=int(seconds(watched.window)),
        retention_seconds=delay(watched.capture.retention).total_seconds(),
        drift=_drift(watched.drift),
        quality=_quality(watched.quality, task),
        business=tuple(BusinessSettings(name=event.name, kind=event.kind) for event in watched.business),
        alerts=_alerts(watched.alerts, secrets),
    )


def unfit_metric(model: MLModel, task: Task | None) -> NoReport | None:
    """Why the quality metric cannot be had of a version of this task; only the registry says which task that is."""
    quality = model.spec.watched.quality
    if quality is None or task is None or quality.metric in METRICS[task]:
        return None
    having = ", ".join(METRICS[task])
    message = (
        f"spec.monitoring.quality.metric is {quality.metric}, the live version's task is {task}, which has {having}"
    )
    return NoReport("MetricUnfit", message)


def _drift(drift: Drift) -> DriftSettings:
    return DriftSettings(
        moderate=drift.moderate,
        significant=drift.significant,
        min_samples=drift.minSamples,
        consecutive_windows=drift.consecutiveWindows,
        false_alarm_rate=drift.falseAlarmRate,
        features=tuple(
            FeatureSettings(name=each.name, role=each.role, method=each.method, significant=each.significant)
            for each in drift.features
        ),
    )


def _quality(quality: Quality | None, task: Task | None) -> QualitySettings | None:
    if quality is None or (task is not None and quality.metric not in METRICS[task]):
        return None
    due_after = delay(quality.labelDelay).total_seconds()
    return QualitySettings(metric=quality.metric, min=quality.min, max=quality.max, label_delay_seconds=due_after)


def _alerts(alerts: Alerts | None, secrets: Secrets) -> AlertSettings:
    if alerts is None:
        return AlertSettings()
    webhook = alertmanager = None
    if alerts.webhook is not None and alerts.webhook.secretName in secrets:
        secret = secrets[alerts.webhook.secretName]
        webhook = WebhookSettings(url=secret["url"], key=secret.get("key") or None)
    if alerts.alertmanager is not None:
        name = alerts.alertmanager.secretName
        if name is None or name in secrets:
            token = secrets[name]["token"] if name else None
            alertmanager = AlertmanagerSettings(url=alerts.alertmanager.url, token=token)
    return AlertSettings(severity=alerts.severity, webhook=webhook, alertmanager=alertmanager)

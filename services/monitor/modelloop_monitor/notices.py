"""What is told of an incident, and to whom, in the form that each target takes."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from modelloop_core.wire.settings import AlertSettings
from modelloop_core.wire.watching import DELIVERY_HEADER, SIGNATURE_HEADER, Cause, Change, Notification
from modelloop_monitor.incidents import IncidentState
from modelloop_monitor.store.models import Model
from modelloop_monitor.store.outbox import Letter

WEBHOOK, ALERTMANAGER = "webhook", "alertmanager"
ALERT_SECONDS = 1_200.0
"""An alert ends by itself after so long without a word from the monitor."""

_NAMES = {Cause.DRIFT: "ModelDrift", Cause.SILENCE: "ModelSilent", Cause.QUALITY: "ModelQualityLow"}
_JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Delivery:
    """One request to make."""

    url: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def targets(alerts: AlertSettings) -> tuple[str, ...]:
    """Who is to be told."""
    found = {WEBHOOK: alerts.webhook, ALERTMANAGER: alerts.alertmanager}
    return tuple(name for name, target in found.items() if target is not None)


def notification(
    model: Model, incident: IncidentState, change: Change, alerts: AlertSettings, now: float
) -> Notification:
    """What is told of a change."""
    return Notification(
        id=f"{incident.id}:{change}:{incident.stage}",
        incident=incident.id,
        change=change,
        stage=incident.stage,
        cause=incident.cause,
        severity=alerts.severity,
        namespace=model[0],
        name=model[1],
        version=incident.version,
        level=incident.level,
        features=incident.features,
        what=incident.what if change is not Change.CLOSED else f"over: {incident.what}",
        since=_time(incident.since),
        sure=incident.sure,
        action=incident.action if change is not Change.CLOSED else "nothing",
        at=_time(now),
    )


def letters(model: Model, told: Notification, alerts: AlertSettings, now: float) -> list[Letter]:
    """One for each target."""
    return [
        Letter(f"{told.id}:{target}", model, told.incident, target, now, told.model_dump_json(), 0)
        for target in targets(alerts)
    ]


def delivery(letter: Letter, alerts: AlertSettings, now: float) -> Delivery | None:
    """The request that tells it; None when its target is not asked for any more."""
    told = Notification.model_validate_json(letter.payload)
    if letter.target == WEBHOOK and alerts.webhook is not None:
        body = letter.payload.encode()
        return Delivery(
            alerts.webhook.url, body, _JSON | {DELIVERY_HEADER: told.id} | _signed(body, alerts.webhook.key)
        )
    if letter.target == ALERTMANAGER and alerts.alertmanager is not None:
        return _alert_delivery(told, alerts, now)
    return None


def refreshing(told: Notification, alerts: AlertSettings, now: float) -> Delivery | None:
    """The request that keeps an alert alive in Alertmanager, which is no notification."""
    return None if alerts.alertmanager is None else _alert_delivery(told, alerts, now)


def _alert_delivery(told: Notification, alerts: AlertSettings, now: float) -> Delivery:
    assert alerts.alertmanager is not None  # noqa: S101 the callers have looked
    found = [_alert(told, told.stage, now, over=told.change is Change.CLOSED)]
    if told.change is Change.WORSE:
        # A new stage is a new alert, which is told anew; the old one is over.
        found.append(_alert(told, told.stage - 1, now, over=True))
    token = alerts.alertmanager.token
    headers = _JSON | ({"authorization": f"Bearer {token}"} if token else {})
    return Delivery(f"{alerts.alertmanager.url.rstrip('/')}/api/v2/alerts", json.dumps(found).encode(), headers)


def _alert(told: Notification, stage: int, now: float, *, over: bool) -> dict[str, object]:
    ends = _time(now) if over else _time(now) + timedelta(seconds=ALERT_SECONDS)
    return {
        "labels": {
            "alertname": _NAMES[told.cause],
            "namespace": told.namespace,
            "model": told.name,
            "severity": told.severity,
            "stage": str(stage),
        },
        "annotations": {"summary": told.what, "sure": told.sure, "description": told.action},
        "startsAt": told.since.isoformat(),
        "endsAt": ends.isoformat(),
    }


def _signed(body: bytes, key: str | None) -> dict[str, str]:
    if key is None:
        return {}
    return {SIGNATURE_HEADER: "sha256=" + hmac.new(key.encode(), body, hashlib.sha256).hexdigest()}


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)

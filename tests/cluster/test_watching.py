"""The operator between a real API server and a monitor over HTTP: what it tells and reads, and what it survives."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cluster.operator_process import OperatorProcess
from cluster.scene import Scene
from fakes.monitor import a_report
from fakes.seen import NOW
from modelloop_core.wire.reports import DriftReport, Level
from support.report_stub import ReportStub, run_report_stub
from support.s3_server import free_port

FALLBACK = {"fallback": {"constant": 0.5}}


@pytest.fixture
def monitor() -> Iterator[ReportStub]:
    with run_report_stub() as stub:
        yield stub


@pytest.fixture
def watched(unattended: Scene, start: Callable[..., OperatorProcess], monitor: ReportStub) -> Scene:
    """A scene whose operator has a monitor."""
    unattended.operators.append(start(**environment(monitor)))
    return unattended


def environment(monitor: ReportStub) -> dict[str, str]:
    return {"MODELLOOP_MONITOR_URL": monitor.url, "MODELLOOP_MONITOR_POLL_SECONDS": "1"}


def said(scene: Scene, verdict: Level, **fields: Any) -> DriftReport:
    return a_report(verdict, namespace=scene.namespace, **fields)


def incident(*features: str) -> dict[str, Any]:
    return {"id": "1", "opened": NOW, "level": "drift", "features": features}


def serve(scene: Scene, **spec: Any) -> None:
    scene.publish("1.0.0")
    scene.plane.apply(scene.manifest(**spec))
    scene.serving("1.0.0")


def reasons(scene: Scene) -> list[tuple[str, str]]:
    events = scene.plane.items("events.events.k8s.io", scene.namespace)
    return [(event["reason"], event["type"]) for event in events if event["regarding"]["kind"] == "MLModel"]


def test_drift_comes_and_goes(watched: Scene, monitor: ReportStub) -> None:
    monitor.report(said(watched, Level.STABLE))
    serve(watched)
    watched.until(lambda: watched.condition("Drifted")[:2] == ("False", "Stable"), "a first report")
    monitor.report(said(watched, Level.DRIFT, incident=incident("AGEP", "SCHL")))
    watched.until(lambda: watched.condition("Drifted")[0] == "True", "drift")
    assert watched.status()["drift"]["level"] == "drift"
    assert watched.status()["drift"]["features"] == ["AGEP", "SCHL"]
    assert "AGEP, SCHL drifted" in watched.status()["message"]
    row = watched.plane.must("get", "mlmodel", "churn", "-n", watched.namespace).splitlines()[1]
    assert "drift" in row.split()
    monitor.report(said(watched, Level.STABLE))
    watched.until(lambda: watched.condition("Drifted")[0] == "False", "the end of drift")
    watched.until(lambda: {("Drifted", "Warning"), ("DriftOver", "Normal")} <= set(reasons(watched)), "events")


def test_pods_and_monitor_are_told_what_the_spec_says(watched: Scene, monitor: ReportStub) -> None:
    data = {"url": "https://hook.example/a", "key": "sign"}
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
    metadata = {"name": "hook", "namespace": watched.namespace}
    watched.plane.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded})
    alerts = {"webhook": {"secretName": "hook"}}
    serve(watched, monitoring={"window": "5m", "capture": {"features": 0}, "alerts": alerts})
    path = f"/v1/models/{watched.namespace}/churn/settings"
    watched.until(lambda: path in monitor.settings, "the settings")
    settings = monitor.settings[path]
    assert (settings.window_seconds, settings.task) == (300, "binary")
    assert settings.alerts.webhook is not None
    assert (settings.alerts.webhook.url, settings.alerts.webhook.key) == ("https://hook.example/a", "sign")
    (container,) = watched.child("deployment", "churn-v1-0-0")["spec"]["template"]["spec"]["containers"]
    variables = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert variables["MODELLOOP_MONITOR_URL"] == monitor.url
    assert '"features":0.0' in variables["MODELLOOP_CAPTURE"]
    watched.until(lambda: watched.condition("MonitoringAvailable")[:2] == ("True", "Watched"), "the condition")
    watched.plane.apply(watched.manifest(monitoring={"window": "1h", "alerts": alerts}))
    watched.until(lambda: monitor.settings[path].window_seconds == 3600, "the new settings")


def test_a_quiet_monitor_costs_no_writes(watched: Scene, monitor: ReportStub) -> None:
    monitor.report(said(watched, Level.MODERATE))
    serve(watched)
    watched.until(lambda: watched.condition("Drifted")[1] == "ModerateDrift", "a first report")
    watched.nudge(2)
    before, asked = watched.revisions(), len(monitor.asked)
    watched.until(lambda: len(monitor.asked) >= asked + 5, "five more reads")
    assert watched.revisions() == before


def test_a_monitor_that_answers_nothing_holds_up_nothing(watched: Scene, monitor: ReportStub) -> None:
    monitor.hang = True
    serve(watched)
    watched.publish("1.1.0")
    watched.serving("1.1.0")
    assert watched.condition("Drifted") == ("", "", "")


def test_a_fallback_that_answers_for_the_model_is_told(watched: Scene, monitor: ReportStub) -> None:
    recent = {"since": NOW, "until": NOW, "requests": 100, "errors": 0, "fallbacks": 60}
    monitor.report(said(watched, Level.STABLE, recent=recent))
    serve(watched, serving=FALLBACK)
    watched.until(lambda: watched.condition("Degraded")[:2] == ("True", "FallbackServes"), "the condition")
    assert watched.condition("Ready")[0] == "True"
    monitor.report(said(watched, Level.STABLE, recent={**recent, "fallbacks": 0}))
    watched.until(lambda: watched.condition("Degraded")[:2] == ("False", "ModelServes"), "the model to be back")


def test_an_absent_monitor_is_told_once_it_lasts_and_drift_is_not_forgotten(
    unattended: Scene, start: Callable[..., OperatorProcess]
) -> None:
    port = free_port()
    with run_report_stub(port) as stub:
        unattended.operators.append(start(**environment(stub)))
        stub.report(said(unattended, Level.DRIFT, incident=incident("AGEP")))
        serve(unattended)
        unattended.until(lambda: unattended.condition("Drifted")[0] == "True", "drift")
    unattended.until(lambda: unattended.condition("Drifted")[:2] == ("Unknown", "MonitorUnreachable"), "absence", 120)
    assert unattended.status()["drift"]["level"] == "drift"
    assert unattended.condition("Ready")[0] == "True"
    with run_report_stub(port) as stub:
        stub.report(said(unattended, Level.STABLE))
        unattended.until(lambda: unattended.condition("Drifted")[:2] == ("False", "Stable"), "its return")


def test_monitoring_without_a_monitor_says_what_is_missing(scene: Scene) -> None:
    serve(scene, monitoring={"window": "1h"})
    scene.until(lambda: scene.condition("MonitoringAvailable")[:2] == ("False", "NoMonitor"), "the condition")
    assert "monitor.enabled" in scene.status()["message"]

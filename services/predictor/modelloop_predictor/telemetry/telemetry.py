"""Puts together what a version's live traffic needs, once the version is loaded and it is known what can be done."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from pydantic import ValidationError

from modelloop_core.drift.counter import ProfileCounter, ReferenceMisfit
from modelloop_core.drift.reference import Reference, digest_of
from modelloop_core.inference import Float64s
from modelloop_core.wire.environment import MONITOR_TOKEN, PredictorEnvironment
from modelloop_predictor.answers import Values
from modelloop_predictor.logs import event
from modelloop_predictor.metrics import Metrics
from modelloop_predictor.telemetry.audience import Asker, Audience
from modelloop_predictor.telemetry.buffer import RowBuffer
from modelloop_predictor.telemetry.deltas import Counters, Deltas
from modelloop_predictor.telemetry.metrics import TelemetryCollector
from modelloop_predictor.telemetry.monitor import HttpMonitor, Monitor
from modelloop_predictor.telemetry.outbox import Outbox
from modelloop_predictor.telemetry.predictions import Chooser, PredictionLog
from modelloop_predictor.telemetry.reporting import Reporter, new_epoch
from modelloop_predictor.telemetry.state import TelemetryState
from modelloop_predictor.telemetry.traffic import TrafficMeter
from modelloop_predictor.version import LoadedVersion


class Telemetry:
    """Telemetry of one process, which serves one version; it starts nothing before `begin`."""

    def __init__(self, settings: PredictorEnvironment, metrics: Metrics, monitor: Monitor) -> None:
        self._settings = settings
        self._metrics = metrics
        self._monitor = monitor
        self._reporter: Reporter | None = None

    def begin(self, version: LoadedVersion) -> tuple[Audience | None, TelemetryState]:
        """Count and post the version's traffic from now on: who is to hear of answers, and what is done with them."""
        settings, signature = self._settings, version.manifest.signature
        counters, message = _counters(version)
        capture = settings.capture
        chooser = None if capture is None else Chooser(capture, entities=settings.entity_key not in capture.exclude)
        log = None if chooser is None else PredictionLog(signature.output)
        deltas = Deltas(
            self._about(),
            TrafficMeter(self._metrics.tally.live),
            counters=counters,
            unseen=version.unseen,
            log=log,
            now=datetime.now(UTC),
        )
        reference = None if counters is None else (counters.reference, version.reference or b"")
        buffer = None if counters is None else counters.buffer
        self._reporter = Reporter(
            deltas,
            Outbox(self._monitor, reference),
            seconds=settings.monitor_post_seconds,
            buffer=buffer,
            chooser=chooser,
            log=log,
        )
        self._metrics.add(TelemetryCollector(self._reporter.readings, self._reporter.posts_waiting))
        self._reporter.start()
        state = TelemetryState(counting=counters is not None, predictions=log is not None, message=message)
        event("telemetry", reason="Counting" if counters else "TrafficOnly", **asdict(state))
        return _audience([one for one in (buffer, chooser) if one is not None]), state

    def close(self) -> None:
        """Post what is left, for a bounded time."""
        if self._reporter is not None:
            self._reporter.close()

    def _about(self) -> Mapping[str, str]:
        settings = self._settings
        return {
            "source": settings.pod_name or socket.gethostname() or "unknown",
            "epoch": new_epoch(),
            "namespace": settings.model_namespace,
            "name": settings.model_name,
            "version": settings.model_version,
        }


def telemetry_for(settings: PredictorEnvironment, metrics: Metrics) -> Telemetry | None:
    """What the settings ask for; None when they name no monitor."""
    if settings.monitor_url is None:
        return None
    return Telemetry(settings, metrics, HttpMonitor(settings.monitor_url, os.environ.get(MONITOR_TOKEN)))


def _counters(version: LoadedVersion) -> tuple[Counters | None, str]:
    """What counts the version's rows, or why nothing can."""
    if version.reference is None:
        return None, f"version {version.manifest.version} has no reference.json: its features cannot be counted"
    signature = version.manifest.signature
    try:
        profile = ProfileCounter(signature, Reference.model_validate_json(version.reference))
    except (ValidationError, ReferenceMisfit) as error:
        fault = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        event("reference-invalid", logging.ERROR, reason="ReferenceInvalid", message=fault)
        return None, f"the version's reference.json cannot be used: {fault}"
    return Counters(RowBuffer(len(signature.inputs)), profile, digest_of(version.reference)), ""


class _Both:
    """Two who hear the same."""

    def __init__(self, audiences: Sequence[Audience]) -> None:
        self._audiences = tuple(audiences)

    def hear(self, askers: Sequence[Asker], rows: Float64s, answers: Values) -> None:
        for audience in self._audiences:
            audience.hear(askers, rows, answers)


def _audience(audiences: Sequence[Audience]) -> Audience | None:
    if not audiences:
        return None
    return audiences[0] if len(audiences) == 1 else _Both(audiences)

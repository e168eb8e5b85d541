"""Puts together what a version's live traffic needs, once the version is loaded and it is known what can be done."""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
import threading
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from modelloop_core.capture import Capture
from modelloop_core.drift.counter import ProfileCounter, ReferenceMisfit
from modelloop_core.drift.reference import Reference, digest_of
from modelloop_core.inference import Float64s
from modelloop_core.wire.environment import MONITOR_TOKEN, PredictorEnvironment
from modelloop_predictor.answers import Values
from modelloop_predictor.logs import event
from modelloop_predictor.metrics import Metrics
from modelloop_predictor.telemetry.audience import Asker, Audience
from modelloop_predictor.telemetry.buffer import RowBuffer
from modelloop_predictor.telemetry.capturing import Capturing
from modelloop_predictor.telemetry.deltas import Counters, Deltas, Mirrored
from modelloop_predictor.telemetry.metrics import Readings, TelemetryCollector
from modelloop_predictor.telemetry.monitor import HttpMonitor
from modelloop_predictor.telemetry.outbox import Outbox
from modelloop_predictor.telemetry.posting import Posting
from modelloop_predictor.telemetry.predictions import Chooser, Copies, PredictionLog
from modelloop_predictor.telemetry.reporting import Job, Reporter
from modelloop_predictor.telemetry.spool import Spool
from modelloop_predictor.telemetry.state import TelemetryState
from modelloop_predictor.telemetry.traffic import TrafficMeter
from modelloop_predictor.version import LoadedVersion

SPOOLS = "captures"
"""Folder of the cache volume in which predictions wait to be brought to the registry."""


class Telemetry:
    """Telemetry of one process, which serves one version; it starts nothing before `begin`."""

    def __init__(self, settings: PredictorEnvironment, metrics: Metrics, token: str | None) -> None:
        self._settings = settings
        self._metrics = metrics
        self._token = token
        self._source = settings.pod_name or socket.gethostname() or "unknown"
        self._epoch = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        self._parts = _Parts()

    def begin(self, version: LoadedVersion) -> tuple[Audience | None, TelemetryState]:
        """Count, post and log the version's traffic from now on: who is to hear of answers, and what is done."""
        settings, parts, faults = self._settings, self._parts, []
        if settings.monitor_url is not None:
            parts.counters, fault = _counters(version)
            faults.append(fault)
        if settings.capture is not None:
            parts.chooser, fault = _chooser(settings.capture, settings.entity_key, version)
            faults.append(fault)
        jobs: list[Job] = [self._posting(version)] if settings.monitor_url is not None else []
        if parts.chooser is not None:
            try:
                jobs.append(self._capturing(version, parts.chooser))
            except OSError as error:
                faults.append(f"predictions are not written to the registry: {error}")
        due = threading.Event() if parts.counters is None else parts.counters.buffer.due
        parts.reporter = Reporter(jobs, parts.chooser, due, seconds=settings.monitor_post_seconds)
        self._metrics.add(TelemetryCollector(parts.readings, parts.posts_waiting))
        parts.reporter.start()
        state = parts.state("; ".join(fault for fault in faults if fault))
        event("telemetry", reason="Begun", **asdict(state))
        return parts.audience(), state

    @property
    def copies(self) -> Audience | None:
        """Who is to hear of answers to copies of requests, once it has begun."""
        return self._parts.copies

    def close(self) -> None:
        """Post and write what is left, for a bounded time."""
        if self._parts.reporter is not None:
            self._parts.reporter.close()

    def _posting(self, version: LoadedVersion) -> Posting:
        settings, parts = self._settings, self._parts
        if parts.chooser is not None:
            parts.log = PredictionLog(version.manifest.signature.output)
            parts.copies = Copies(parts.chooser.capture, version.manifest.signature.output)
        about = {
            "source": self._source,
            "epoch": self._epoch,
            "namespace": settings.model_namespace,
            "name": settings.model_name,
            "version": settings.model_version,
        }
        parts.deltas = Deltas(
            about,
            TrafficMeter(self._metrics.tally.live),
            counters=parts.counters,
            unseen=version.unseen,
            log=parts.log,
            card=version.card,
            now=datetime.now(UTC),
            mirrored=Mirrored(TrafficMeter(self._metrics.tally.mirrored), parts.copies),
        )
        reference = None if parts.counters is None else (parts.counters.reference, version.reference or b"")
        parts.outbox = Outbox(HttpMonitor(settings.monitor_url or "", self._token), reference)
        return Posting(parts.deltas, parts.outbox, parts.log, seconds=settings.monitor_post_seconds)

    def _capturing(self, version: LoadedVersion, chooser: Chooser) -> Capturing:
        settings = self._settings
        inputs = version.manifest.signature.inputs
        kept = [place for place, feature in enumerate(inputs) if feature.name not in chooser.capture.exclude]
        name = re.sub(r"[^A-Za-z0-9._-]", "-", f"{self._source}-{self._epoch}")
        about = {
            "registry_uri": settings.registry_uri,
            "registry_endpoint": settings.registry_endpoint,
            "registry_region": settings.registry_region,
            "registry_ca_file": settings.registry_ca_file,
            "name": name,
            "version": settings.model_version,
            "output": version.manifest.signature.output.model_dump(mode="json"),
            "features": [inputs[place].model_dump(mode="json") for place in kept],
        }
        folder = Path(settings.cache_dir) / SPOOLS / name
        self._parts.spool = spool = Spool(folder, about, kept, seconds=settings.capture_upload_seconds)
        spool.open()
        return Capturing(spool)


class _Parts:
    """What one version's telemetry consists of, as far as there is any of it."""

    counters: Counters | None = None
    chooser: Chooser | None = None
    log: PredictionLog | None = None
    copies: Copies | None = None
    deltas: Deltas | None = None
    outbox: Outbox | None = None
    spool: Spool | None = None
    reporter: Reporter | None = None

    def state(self, message: str) -> TelemetryState:
        capture = None if self.chooser is None else self.chooser.capture
        return TelemetryState(
            counting=self.counters is not None,
            predictions=capture is not None and capture.predictions > 0,
            features=capture is not None and capture.features > 0,
            message=message,
        )

    def audience(self) -> Audience | None:
        both = [one for one in (self.counters and self.counters.buffer, self.chooser) if one is not None]
        return _Both(both) if len(both) == 2 else both[0] if both else None

    def posts_waiting(self) -> int:
        return 0 if self.outbox is None else self.outbox.waiting

    def readings(self) -> Readings:
        """What became of rows, posts and logged predictions, for metrics."""
        found: dict[str, dict[str, int]] = {}
        if self.deltas is not None and self.outbox is not None:
            dropped = 0 if self.counters is None else self.counters.buffer.dropped
            found["rows"] = {"counted": self.deltas.counted, "dropped": dropped, "refused": self.outbox.refused_rows}
            found["posts"] = {verdict.value: count for verdict, count in self.outbox.outcomes.items()}
        if self.chooser is not None:
            found["logged"] = {"left-out": self.chooser.dropped}
        if self.log is not None:
            found["logged"] |= {"posted": self.log.posted, "not-posted": self.log.dropped}
        if self.spool is not None:
            found["logged"] |= {"written": self.spool.written, "not-written": self.spool.dropped}
        return found


class _Both:
    """Two who hear the same."""

    def __init__(self, audiences: Sequence[Audience]) -> None:
        self._first, self._second = audiences

    def hear(self, askers: Sequence[Asker], rows: Float64s, answers: Values) -> None:
        self._first.hear(askers, rows, answers)
        self._second.hear(askers, rows, answers)


def telemetry_for(settings: PredictorEnvironment, metrics: Metrics) -> Telemetry:
    """What the settings ask for."""
    return Telemetry(settings, metrics, os.environ.get(MONITOR_TOKEN))


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


def _chooser(capture: Capture, entity_key: str, version: LoadedVersion) -> tuple[Chooser | None, str]:
    """What chooses requests, and what of the capture cannot be done."""
    entities = entity_key not in capture.exclude
    unknown = sorted(set(capture.exclude) - {*version.manifest.signature.feature_names, entity_key})
    if not unknown or not capture.features:
        return Chooser(capture, entities=entities), ""
    # A name that is misspelt would let the column be written that must not be.
    message = f"features are not logged: capture excludes {', '.join(unknown)}, which the version has not"
    return Chooser(capture.model_copy(update={"features": 0.0}), entities=entities), message

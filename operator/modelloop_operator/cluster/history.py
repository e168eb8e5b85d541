"""Brings the registry's history up to what status says, beside the passes.

Status is what is written from, so nothing is lost with this process: whoever leads next derives the same events again
and writes those that are missing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from modelloop_core.api import MLModelStatus
from modelloop_core.history import EventKind, HistoryEvent, Identity
from modelloop_core.registry_errors import RegistryError
from modelloop_core.storage.port import StoreError
from modelloop_operator.cluster.background import Background
from modelloop_operator.cluster.catalogs import Source
from modelloop_operator.cluster.credentials import SecretProblem
from modelloop_operator.cluster.port import ClusterError
from modelloop_operator.decide.failures import ROLLED_BACK, blames_version

log = logging.getLogger(__name__)

_RETRY_SECONDS = (1.0, 5.0, 25.0)


@dataclass
class _Ledger:
    """One MLModel's events: those in the registry, and those on their way with the registry they belong to."""

    written: frozenset[str] = frozenset()
    missing: dict[str, tuple[Source, HistoryEvent]] = field(default_factory=dict)
    writing: asyncio.Task[None] | None = None


class Recorder(Protocol):
    """Where events go."""

    async def record(self, source: Source, events: Collection[HistoryEvent]) -> None:
        """Append events that a history lacks. Raises StoreError, RegistryError, SecretProblem or ClusterError."""
        ...


class HistoryWriter:
    """Writes each event of a status once, a few attempts at a time; the next pass begins the next attempts."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._background = Background()
        self._ledgers: dict[str, _Ledger] = {}

    def write(self, source: Source, status: MLModelStatus, identity: Identity) -> None:
        """Take on the events of `status` that are not written yet."""
        ledger = self._ledgers.setdefault(identity.uid, _Ledger())
        events = {event.key: event for event in history_events(status, identity)}
        ledger.written &= events.keys()
        for key, event in events.items():
            if key not in ledger.written:
                ledger.missing.setdefault(key, (source, event))
        if ledger.missing and (ledger.writing is None or ledger.writing.done()):
            ledger.writing = self._background.start(self._write(ledger), f"history of {identity}")

    def forget(self, uid: str) -> None:
        """Drop what is remembered of an MLModel that is gone; what is on its way still arrives."""
        self._ledgers.pop(uid, None)

    def stop(self) -> None:
        """Write nothing more."""
        self._background.stop()

    async def _write(self, ledger: _Ledger) -> None:
        for seconds in (*_RETRY_SECONDS, None):
            try:
                await self._write_missing(ledger)
                return
            except (StoreError, RegistryError, SecretProblem, ClusterError) as error:
                log.warning("history not written", extra={"error": str(error), "retry_in": seconds})
            if seconds is not None:
                await asyncio.sleep(seconds)

    async def _write_missing(self, ledger: _Ledger) -> None:
        # Again until none is left: passes go on and may add events meanwhile.
        while ledger.missing:
            source, _ = next(iter(ledger.missing.values()))
            batch = {key: event for key, (at, event) in ledger.missing.items() if at == source}
            await self._recorder.record(source, batch.values())
            for key in batch:
                del ledger.missing[key]
            ledger.written |= batch.keys()


def history_events(status: MLModelStatus, identity: Identity) -> list[HistoryEvent]:
    """The events that this status stands for; the same status gives the same events, so a repeat writes nothing."""
    promoted = [
        HistoryEvent(
            event=EventKind.PROMOTED,
            version=entry.version,
            time=datetime.fromisoformat(entry.from_),
            reason=entry.reason,
            identity=identity,
        )
        for entry in status.history
    ]
    rejected = [
        HistoryEvent(
            event=EventKind.ROLLED_BACK if failure.reason in ROLLED_BACK else EventKind.REJECTED,
            version=failure.version,
            time=datetime.fromisoformat(failure.at),
            reason=f"{failure.reason}: {failure.message}"[:2000],
            identity=identity,
        )
        for failure in status.failedVersions
        # What this spec or this cluster is to blame for is nobody else's business with the version.
        if blames_version(failure)
    ]
    return [*promoted, *rejected]

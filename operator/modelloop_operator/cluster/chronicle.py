"""What happened, for people and for recovery: Kubernetes Events, log lines, and the registry's history."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from datetime import datetime

from modelloop_core.api import GROUP, KIND, VERSION, MLModel
from modelloop_core.history import EventKind, HistoryEvent, Identity
from modelloop_core.registry_errors import RegistryError
from modelloop_core.storage.port import StoreError
from modelloop_operator.cluster.catalogs import Catalogs
from modelloop_operator.cluster.credentials import SecretProblem
from modelloop_operator.cluster.kinds import EVENT
from modelloop_operator.cluster.port import Cluster, ClusterError
from modelloop_operator.decide.decisions import Decision, Refuse

log = logging.getLogger(__name__)


class Chronicle:
    """Tells decisions; losing a tale never stops the loop."""

    def __init__(self, cluster: Cluster, catalogs: Catalogs, *, now: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._catalogs = catalogs
        self._now = now
        self._written: dict[str, frozenset[str]] = {}

    async def tell(self, model: MLModel, decision: Decision) -> None:
        """A log line and a Kubernetes Event for a decision that changes something."""
        meta = model.metadata
        fields = {
            "model": f"{meta.namespace}/{meta.name}",
            "decision": type(decision).__name__,
            "reason": decision.reason,
        }
        log.info(decision.message, extra=fields)
        try:
            await self._cluster.create(EVENT, self._event(model, decision))
        except ClusterError as error:
            log.warning("event not written", extra={**fields, "error": str(error)})

    async def write(self, model: MLModel, identity: Identity) -> None:
        """Bring the registry's history up to what status says; what fails is tried again in the next pass."""
        done = self._written.get(identity.uid, frozenset())
        events = {event.key: event for event in history_events(model, identity)}
        for key in events.keys() - done:
            try:
                await self._catalogs.record((model.metadata.namespace, model.spec.registry), events[key])
            except (StoreError, RegistryError, SecretProblem, ClusterError) as error:
                log.warning("history not written", extra={"model": str(identity), "error": str(error)})
                return
        self._written[identity.uid] = frozenset(events)

    def forget(self, uid: str) -> None:
        """Drop what is remembered of an MLModel that is gone."""
        self._written.pop(uid, None)

    def _event(self, model: MLModel, decision: Decision) -> dict[str, object]:
        meta, moment = model.metadata, self._now()
        told = f"{meta.uid}{moment.isoformat()}{decision.reason}{decision.message}"
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {
                "name": f"{meta.name}.{hashlib.sha256(told.encode()).hexdigest()[:16]}",
                "namespace": meta.namespace,
            },
            "eventTime": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "type": "Warning" if isinstance(decision, Refuse) else "Normal",
            "reason": decision.reason,
            "action": type(decision).__name__,
            "note": decision.message[:1024],
            "reportingController": f"{GROUP}/operator",
            "reportingInstance": "modelloop-operator",
            "regarding": {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": KIND,
                "name": meta.name,
                "namespace": meta.namespace,
                "uid": meta.uid,
            },
        }


def history_events(model: MLModel, identity: Identity) -> list[HistoryEvent]:
    """The events that this status stands for; the same status gives the same events, so a repeat writes nothing."""
    promoted = [
        HistoryEvent(
            event=EventKind.PROMOTED,
            version=entry.version,
            time=datetime.fromisoformat(entry.from_),
            reason=entry.reason,
            identity=identity,
        )
        for entry in model.status.history[-1:]
    ]
    rejected = [
        HistoryEvent(
            event=EventKind.REJECTED,
            version=failure.version,
            time=datetime.fromisoformat(failure.at),
            reason=f"{failure.reason}: {failure.message}"[:2000],
            identity=identity,
        )
        for failure in model.status.failedVersions
    ]
    return [*promoted, *rejected]

"""What happened, for people and for recovery: Events, log lines, the registry's history, the monitor's pages."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from datetime import datetime

from modelloop_core.api import GROUP, KIND, VERSION, MLModel
from modelloop_core.history import Identity
from modelloop_operator.cluster.cache import Key
from modelloop_operator.cluster.catalogs import Catalogs
from modelloop_operator.cluster.history import HistoryWriter
from modelloop_operator.cluster.kinds import EVENT
from modelloop_operator.cluster.port import Cluster, ClusterError
from modelloop_operator.cluster.tales import Tales
from modelloop_operator.decide.decisions import Condemn, Decision, Refuse, RollBack, Wait
from modelloop_operator.decide.observation import Observation
from modelloop_operator.decide.watching import News

log = logging.getLogger(__name__)


class Chronicle:
    """Tells decisions; losing a tale never stops the loop."""

    def __init__(self, cluster: Cluster, catalogs: Catalogs, tales: Tales, *, now: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._history = HistoryWriter(catalogs)
        self._tales = tales
        self._now = now

    async def tell(self, model: MLModel, decision: Decision) -> None:
        """A log line and a Kubernetes Event for a decision that changes something."""
        # Of the waits only those are told that the API server's refusal imposes.
        warning = isinstance(decision, Refuse | Condemn | RollBack | Wait)
        await self._tell(model, type(decision).__name__, News(decision.reason, decision.message, warning))

    async def report(self, model: MLModel, found: News) -> None:
        """A log line and a Kubernetes Event for something about the model's traffic."""
        await self._tell(model, "Watch", found)

    async def _tell(self, model: MLModel, action: str, found: News) -> None:
        meta = model.metadata
        fields = {"model": f"{meta.namespace}/{meta.name}", "decision": action, "reason": found.reason}
        log.info(found.message, extra=fields)
        try:
            await self._cluster.create(EVENT, self._event(model, action, found))
        except ClusterError as error:
            log.warning("event not written", extra={**fields, "error": str(error)})

    def write(self, seen: Observation, identity: Identity) -> None:
        """See to it that the registry's history and the monitor come to say what status says; neither is waited for."""
        model = seen.model
        self._history.write((model.metadata.namespace, model.spec.registry), model.status, identity)
        self._tales.tell((model.metadata.namespace, model.metadata.name), seen)

    def forget(self, key: Key, uid: str) -> None:
        """Drop what is remembered of an MLModel that is gone."""
        self._history.forget(uid)
        self._tales.forget(key)

    def stop(self) -> None:
        """Write nothing more."""
        self._history.stop()
        self._tales.stop()

    def _event(self, model: MLModel, action: str, found: News) -> dict[str, object]:
        meta, moment = model.metadata, self._now()
        told = f"{meta.uid}{moment.isoformat()}{found.reason}{found.message}"
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {
                "name": f"{meta.name}.{hashlib.sha256(told.encode()).hexdigest()[:16]}",
                "namespace": meta.namespace,
            },
            "eventTime": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "type": "Warning" if found.warning else "Normal",
            "reason": found.reason,
            "action": action,
            "note": found.message[:1024],
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

"""One pass over one MLModel: observe, decide, commit the decision, then make the children so.

The order is the safety: what was decided is in `status` (written at the resourceVersion it was decided on) before
anything acts on it. A crash after the commit repeats the writes, never the decision; a stale observation or a deposed
leader fails at the commit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from modelloop_core.api import MLModel, MLModelStatus
from modelloop_core.versions import Version
from modelloop_operator.cluster.apply import Applier
from modelloop_operator.cluster.cache import Cache, Key
from modelloop_operator.cluster.catalogs import Catalogs
from modelloop_operator.cluster.chronicle import Chronicle
from modelloop_operator.cluster.commit import Committer
from modelloop_operator.cluster.observe import InvalidModel, Observer, parse
from modelloop_operator.cluster.port import ClusterError, Faulted
from modelloop_operator.cluster.reports import Reports
from modelloop_operator.decide.capacity import Replicas, replicas_of
from modelloop_operator.decide.decisions import Decision, Wait
from modelloop_operator.decide.observation import Catalog, Observation, Policy
from modelloop_operator.decide.serving import decide
from modelloop_operator.decide.status import next_status
from modelloop_operator.decide.watching import news
from modelloop_operator.metrics import Metrics
from modelloop_operator.naming import selector
from modelloop_operator.render.children import children
from modelloop_operator.render.installation import Installation
from modelloop_operator.render.traffic import url

_AFTER_WRITE_SECONDS = 1.0
# A webhook's own pods may be rolling: what is over within this time is no news.
_FAULT_PATIENCE = timedelta(seconds=10)


@dataclass
class Reconciler:
    """Brings MLModels to where their spec wants them, one move per pass.

    What the API server refuses, or fails at for long, is told once, in its own words, by condition and event, and
    raised for a back-off.
    """

    cache: Cache
    catalogs: Catalogs
    reports: Reports
    observer: Observer
    committer: Committer
    applier: Applier
    chronicle: Chronicle
    installation: Installation
    policy: Policy
    metrics: Metrics
    now: Callable[[], datetime]
    _refusals: dict[Key, str] = field(default_factory=dict)
    _faulted: dict[Key, datetime] = field(default_factory=dict)
    _uids: dict[Key, str] = field(default_factory=dict)

    async def reconcile(self, key: Key) -> float | None:
        """One pass; returns in how many seconds to look again, or None when the MLModel is gone."""
        try:
            seen = await self.observer.observe(key)
        except InvalidModel as error:
            await self.committer.mark_stalled(self.cache.models[key], "InvalidSpec", str(error), self.now())
            return self.policy.idle.total_seconds()
        except ClusterError as error:
            if not error.retriable:
                await self._tell_unreadable(key, error)
            raise
        if seen is None or seen.model.metadata.deletionTimestamp is not None:
            self._forget(key)
            return None
        seen = replace(seen, rejected=self._refusals.get(key, ""))
        decision = decide(seen, self.now(), self.policy)
        model = await self._commit(seen, decision)
        seconds = await self._act(key, seen, model, decision)
        self.chronicle.write(replace(seen, model=model), self.observer.identity(model))
        return seconds

    async def _commit(self, seen: Observation, decision: Decision) -> MLModel:
        status = _addressed(seen, next_status(seen, decision, self.now()))
        try:
            committed = await self.committer.commit(seen.model, status)
        except ClusterError as error:
            await self._tell_refused(seen.model, error)
            raise
        self.metrics.decided(decision)
        self.metrics.observed(committed)
        self._uids[committed.metadata.namespace, committed.metadata.name] = committed.metadata.uid
        if not isinstance(decision, Wait):
            await self.chronicle.tell(committed, decision)
        for found in news(seen.model.status, committed.status):
            await self.chronicle.report(committed, found)
        return committed

    async def _act(self, key: Key, seen: Observation, model: MLModel, decision: Decision) -> float:
        if seen.foreign:
            return self.policy.recheck.total_seconds()
        wanted = children(model, self.installation, seen.capabilities, _replicas(seen, model))
        try:
            wrote = await self.applier.apply(model, wanted)
            if _may_prune(seen, model):
                wrote |= await self.applier.prune(model, wanted)
        except ClusterError as error:
            if not await self._tell_refused(model, error):
                raise
            return 0.0
        self._faulted.pop(key, None)
        mended = self._refusals.pop(key, None) is not None
        if not isinstance(decision, Wait) or mended:
            return 0.0
        # What was written just now was not yet seen: look again soon, or status would speak of the time before.
        return (
            min(_AFTER_WRITE_SECONDS, decision.recheck.total_seconds()) if wrote else decision.recheck.total_seconds()
        )

    async def _tell_unreadable(self, key: Key, error: ClusterError) -> None:
        body = self.cache.models[key]
        if await self.committer.mark_stalled(body, "ReadRejected", str(error), self.now()):
            await self.chronicle.tell(parse(body), Wait("ReadRejected", str(error), self.policy.recheck))

    async def _tell_refused(self, model: MLModel, error: ClusterError) -> bool:
        """Remember a refused write for the next pass, which puts it into status; whether it is news."""
        key = (model.metadata.namespace, model.metadata.name)
        if error.retriable and not self._lasts(key, error):
            return False
        told = self._refusals.get(key, "")
        # Of one request the first words stay: those of a webhook may differ each time, and a status that follows them
        # would never come to rest.
        if told and _request(told) == _request(str(error)):
            return False
        self._refusals[key] = str(error)
        await self.chronicle.tell(model, Wait("WriteRejected", str(error), self.policy.recheck))
        return True

    def _lasts(self, key: Key, error: ClusterError) -> bool:
        """Whether writes have failed for long by a fault of the API server's own, which nobody would see otherwise."""
        if not isinstance(error, Faulted):
            return False
        return self.now() - self._faulted.setdefault(key, self.now()) >= _FAULT_PATIENCE

    def _forget(self, key: Key) -> None:
        self.catalogs.release(key)
        self.reports.release(key)
        self.observer.captures.release(key)
        self.observer.judgements.release(key)
        self.observer.runs.release(key)
        self.observer.prober.release(key)
        self.applier.forget(key)
        self.metrics.forget(key)
        self._refusals.pop(key, None)
        self._faulted.pop(key, None)
        self.chronicle.forget(key, self._uids.pop(key, ""))


def _request(error: str) -> str:
    return error.partition(": ")[0]


def _may_prune(seen: Observation, model: MLModel) -> bool:
    """Children may go unless status was lost and the registry could not say what was live."""
    decided = model.status.stable is not None or model.status.candidate is not None
    return decided or isinstance(seen.catalog, Catalog)


def _addressed(seen: Observation, status: MLModelStatus) -> MLModelStatus:
    name = seen.model.metadata.name
    labels = selector(name, Version.parse(status.stable.version)) if status.stable else {}
    text = ",".join(f"{label}={value}" for label, value in labels.items())
    where = url(seen.model, seen.address) if status.stable else ""
    return status.model_copy(update={"url": where, "selector": text})


def _replicas(seen: Observation, model: MLModel) -> dict[Version, Replicas]:
    """Pod counts to render for what was committed."""
    after = replace(seen, model=model)
    blocks = [block for block in (model.status.stable, model.status.candidate, *model.status.warm) if block]
    return {version: replicas_of(version, after) for version in (Version.parse(block.version) for block in blocks)}

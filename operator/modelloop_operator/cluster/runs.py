"""Reads what Jobs left in registries (`runs/<run id>/outcome.json`), in turns beside the passes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from modelloop_core.api.spec import Registry as RegistryRef
from modelloop_core.registry import Registry
from modelloop_core.storage.port import NotFound, StoreError
from modelloop_core.wire.runs import ReplayOutcome, outcome_key, reaches_enough
from modelloop_operator.cluster.cache import Key
from modelloop_operator.cluster.catalogs import Source
from modelloop_operator.cluster.credentials import Credentials, Keys, SecretProblem
from modelloop_operator.cluster.lanes import Lanes, endpoint_of
from modelloop_operator.cluster.port import ClusterError
from modelloop_operator.decide.observation import UNREADABLE_OUTCOME, UNTELLING_OUTCOME, Trouble

log = logging.getLogger(__name__)

EVERY_SECONDS = 3.0
_TICK_SECONDS = 0.5
_AT_A_TIME = 8


@dataclass
class _Entry:
    source: Source
    run: str
    due: float
    found: ReplayOutcome | Trouble | None = None
    busy: bool = False


class Runs:
    """Outcomes by MLModel, each looked for until it can be read; `on_change` is called with the key of whose it is."""

    def __init__(
        self,
        credentials: Credentials,
        open_registry: Callable[[RegistryRef, Keys], Registry],
        lanes: Lanes,
        *,
        on_change: Callable[[Key], None],
        clock: Callable[[], float],
    ) -> None:
        self._credentials = credentials
        self._open = open_registry
        self._lanes = lanes
        self._on_change = on_change
        self._clock = clock
        self._entries: dict[Key, _Entry] = {}

    def of(self, key: Key, source: Source, run: str | None) -> ReplayOutcome | Trouble | None:
        """What came of a run, None until that is known; without a run nothing is looked for any more."""
        if run is None:
            self.release(key)
            return None
        entry = self._entries.get(key)
        if entry is None or (entry.source, entry.run) != (source, run):
            entry = self._entries[key] = _Entry(source, run, due=self._clock())
        return entry.found

    def release(self, key: Key) -> None:
        """Look no more for what belongs to an MLModel."""
        self._entries.pop(key, None)

    async def poll(self) -> None:
        """Give each run its turn, for ever."""
        async with asyncio.TaskGroup() as turns:
            while True:
                for key, entry in self._next():
                    entry.busy = True
                    turns.create_task(self._turn(key, entry))
                await asyncio.sleep(_TICK_SECONDS)

    def _next(self) -> list[tuple[Key, _Entry]]:
        now, busy = self._clock(), sum(entry.busy for entry in self._entries.values())
        due = [(key, entry) for key, entry in self._entries.items() if entry.due <= now and not entry.busy]
        return due[: max(0, _AT_A_TIME - busy)]

    async def _turn(self, key: Key, entry: _Entry) -> None:
        try:
            found = await self._read(entry)
        except (StoreError, ClusterError, SecretProblem) as error:
            # The pass says so already: it cannot read the registry either.
            log.warning("outcome not read", extra={"model": "/".join(key), "run": entry.run, "error": str(error)})
            found = entry.found
        except Exception:
            # The loop's top: what is odd of one model must not end the turns of all.
            log.exception("outcome not read", extra={"model": "/".join(key), "run": entry.run})
            found = entry.found
        finally:
            entry.busy, entry.due = False, self._clock() + EVERY_SECONDS
        if isinstance(found, ReplayOutcome):
            entry.due = float("inf")
        changed, entry.found = found != entry.found, found
        if changed and self._entries.get(key) is entry:
            self._on_change(key)

    async def _read(self, entry: _Entry) -> ReplayOutcome | Trouble | None:
        namespace, registry = entry.source
        keys = await self._credentials.of(namespace, registry)
        lane, place = self._lanes.to(endpoint_of(registry)), outcome_key(entry.run)
        try:
            content = await lane.run(lambda: self._open(registry, keys).store.read(place))
            outcome = ReplayOutcome.model_validate_json(content)
        except NotFound:
            return None
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            found = f"{registry.uri}/{place} is no outcome of a replay ({where}: {first['msg']})"
            return Trouble(UNREADABLE_OUTCOME, found, permanent=True)
        if reaches_enough(outcome.unreached, outcome.asked):
            return outcome
        # Of a Job of an older release: one of this release writes none then.
        told = f"{outcome.unreached:,} of {outcome.asked:,} requests came to no pod of {outcome.version}"
        return Trouble(UNTELLING_OUTCOME, f"{registry.uri}/{place} tells nothing: {told}", permanent=True)

"""Ends what registries hold of predictions once `spec.monitoring.capture.retention` is over, beside the passes."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from modelloop_core.api import MLModel
from modelloop_core.api.fields import delay
from modelloop_core.api.spec import Registry as RegistryRef
from modelloop_core.captures_pruning import prune_some
from modelloop_core.registry import Registry
from modelloop_core.storage.port import AccessDenied, NotFound, StoreError
from modelloop_operator.cluster.cache import Key
from modelloop_operator.cluster.credentials import Credentials, Keys, SecretProblem
from modelloop_operator.cluster.lanes import Lanes, endpoint_of
from modelloop_operator.cluster.port import ClusterError
from modelloop_operator.decide.observation import NoReport

log = logging.getLogger(__name__)

EVERY_SECONDS = 3600.0
MOST_FILES = 500
KEPT = "CapturesKept"
"""Reason of MonitoringAvailable: what should be gone is still there."""

_FIRST_WITHIN_SECONDS = 600.0
_MORE_SECONDS = 5.0
_TICK_SECONDS = 1.0
_AT_A_TIME = 4


@dataclass
class _Entry:
    namespace: str
    registry: RegistryRef
    retention: str
    due: float
    problem: NoReport | None = None
    busy: bool = False


class Captures:
    """The captures of all MLModels that are watched, each registry looked at about once an hour.

    `lanes` are threads of its own: a turn that takes long must not keep a pass from its registry. `on_change` is
    called with the key of an MLModel of which something else is to be told, `on_removed` with how many files went.
    """

    def __init__(
        self,
        credentials: Credentials,
        open_registry: Callable[[RegistryRef, Keys], Registry],
        lanes: Lanes,
        *,
        on_change: Callable[[Key], None],
        on_removed: Callable[[int], None],
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._credentials = credentials
        self._open = open_registry
        self._lanes = lanes
        self._on_change = on_change
        self._on_removed = on_removed
        self._clock = clock
        self._now = now
        self._entries: dict[Key, _Entry] = {}

    def of(self, key: Key, model: MLModel) -> NoReport | None:
        """Why files that are too old are still there, if they are; from now on the model's registry has its turns."""
        wanted = (model.metadata.namespace, model.spec.registry, model.spec.watched.capture.retention)
        entry = self._entries.get(key)
        if entry is None:
            # Spread: a leader that begins with a thousand models has other things to do.
            first = self._clock() + random.uniform(0, _FIRST_WITHIN_SECONDS)  # noqa: S311
            entry = self._entries[key] = _Entry(*wanted, due=first, problem=_told(model))
        elif (entry.namespace, entry.registry, entry.retention) != wanted:
            entry = self._entries[key] = _Entry(*wanted, due=self._clock())
        return entry.problem

    def release(self, key: Key) -> None:
        """Let the files of an MLModel be that is gone or watched no more."""
        self._entries.pop(key, None)

    async def prune(self) -> None:
        """Give each model its turn, for ever."""
        async with asyncio.TaskGroup() as turns:
            while True:
                for key, entry in self._next():
                    entry.busy = True
                    turns.create_task(self._turn(key, entry))
                await asyncio.sleep(_TICK_SECONDS)

    def _next(self) -> list[tuple[Key, _Entry]]:
        now = self._clock()
        due = [(key, entry) for key, entry in self._entries.items() if entry.due <= now and not entry.busy]
        due.sort(key=lambda found: found[1].due)
        return due[: max(0, _AT_A_TIME - sum(entry.busy for entry in self._entries.values()))]

    async def _turn(self, key: Key, entry: _Entry) -> None:
        pause = EVERY_SECONDS * random.uniform(0.8, 1.2)  # noqa: S311
        try:
            if await self._prune(entry) == MOST_FILES:
                pause = _MORE_SECONDS
            self._tell(key, entry, None)
        except AccessDenied as error:
            # The first words stay: a status that follows each new wording would never come to rest.
            self._tell(key, entry, entry.problem or _kept(entry, error))
        except (NotFound, SecretProblem):
            pass  # the pass says so already: it cannot read the registry either
        except (StoreError, ClusterError) as error:
            log.warning("captures not pruned", extra={"model": "/".join(key), "error": str(error)})
        except Exception:
            log.exception("captures not pruned", extra={"model": "/".join(key)})
        finally:
            entry.busy, entry.due = False, self._clock() + pause

    async def _prune(self, entry: _Entry) -> int:
        before = self._now() - delay(entry.retention)
        keys = await self._credentials.of(entry.namespace, entry.registry)
        lane = self._lanes.to(endpoint_of(entry.registry))
        removed = await lane.run(lambda: prune_some(self._open(entry.registry, keys).store, before, MOST_FILES))
        self._on_removed(removed)
        return removed

    def _tell(self, key: Key, entry: _Entry, problem: NoReport | None) -> None:
        before, entry.problem = entry.problem, problem
        if before != problem and self._entries.get(key) is entry:
            self._on_change(key)


def _told(model: MLModel) -> NoReport | None:
    """What the leader before found, which stays until this one has looked."""
    condition = model.status.condition("MonitoringAvailable")
    if condition is None or condition.reason != KEPT:
        return None
    return NoReport(condition.reason, condition.message)


def _kept(entry: _Entry, error: AccessDenied) -> NoReport:
    message = (
        f"spec.monitoring.capture.retention is {entry.retention}, and what is older stays in {entry.registry.uri}: "
        f"{error}. Let the operator list and delete below captures/ there, or run `modelloop prune` as somebody who may"
    )
    return NoReport(KEPT, message)

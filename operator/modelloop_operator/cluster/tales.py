"""Tells the monitor of rollouts, beside the passes: whoever leads next tells the same again, so nothing is lost."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable

from modelloop_core.wire.rollouts import ModelRollouts
from modelloop_core.wire.settings import RENEWED_SECONDS
from modelloop_operator.cluster.background import Background
from modelloop_operator.cluster.cache import Key
from modelloop_operator.cluster.monitor import Monitor, MonitorAway, MonitorError
from modelloop_operator.decide.observation import Observation
from modelloop_operator.decide.tale import tale_of

log = logging.getLogger(__name__)

_AT_A_TIME = 4
_REST_SECONDS = 15.0
"""While the monitor is away, so long nobody tries it again; later passes bring the same."""


class Tales:
    """Puts what changed, and all of it again from time to time: a monitor may have lost its database."""

    def __init__(self, monitor: Monitor | None, clock: Callable[[], float]) -> None:
        self._monitor = monitor
        self._clock = clock
        self._background = Background()
        self._room = asyncio.Semaphore(_AT_A_TIME)
        # A digest and not the text: there may be thousands of models, and what is told is rarely needed again.
        self._told: dict[Key, tuple[bytes, float]] = {}
        self._busy: dict[Key, ModelRollouts | None] = {}
        self._tried_away = float("-inf")

    def tell(self, key: Key, seen: Observation) -> None:
        """See to it that the monitor comes to know what is seen of rollouts; it is not waited for."""
        if self._monitor is not None and (tale := tale_of(seen)) is not None:
            self._tell(self._monitor, key, tale)

    def forget(self, key: Key) -> None:
        """Drop what is remembered of an MLModel that is gone."""
        self._told.pop(key, None)

    def stop(self) -> None:
        """Tell nothing more."""
        self._background.stop()

    def _tell(self, monitor: Monitor, key: Key, tale: ModelRollouts) -> None:
        if key in self._busy:
            self._busy[key] = tale
        elif not self._is_known(key, tale) and not self._is_away():
            self._busy[key] = None
            self._background.start(self._put(monitor, key, tale), f"rollouts of {'/'.join(key)}")

    async def _put(self, monitor: Monitor, key: Key, tale: ModelRollouts) -> None:
        try:
            async with self._room:
                await monitor.put_rollouts(*key, tale)
            self._told[key] = _digest(tale), self._clock()
        except MonitorError as error:
            # Refused is remembered as told: asked again with each pass, it would be refused again.
            if isinstance(error, MonitorAway):
                self._tried_away = self._clock()
            else:
                self._told[key] = _digest(tale), self._clock()
            log.warning("rollouts not told", extra={"model": "/".join(key), "error": str(error)})
        finally:
            following = self._busy.pop(key, None)
        if following is not None:
            self._tell(monitor, key, following)

    def _is_known(self, key: Key, tale: ModelRollouts) -> bool:
        digest, at = self._told.get(key, (b"", float("-inf")))
        return digest == _digest(tale) and self._clock() - at < RENEWED_SECONDS / 2

    def _is_away(self) -> bool:
        return self._clock() - self._tried_away < _REST_SECONDS


def _digest(tale: ModelRollouts) -> bytes:
    return hashlib.blake2b(tale.model_dump_json().encode(), digest_size=8).digest()

"""Sums of hours that are over, in memory: rollouts ask about days each minute, and read only the last hours."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from modelloop_monitor.store.compared import Bucket, Span

HOUR = 3_600
SETTLED_SECONDS = 3_600
"""An hour is over when nothing of it came for so long: predictors post every few seconds."""

_MOST = 3_000
Read = Callable[[Span], list[Bucket]]


class Tallies:
    """Hours by what was asked of them; several threads may. What is lost is read again."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._known: OrderedDict[Hashable, list[Bucket]] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, span: Span, what: Hashable, read: Read) -> list[Bucket]:
        """What `read` says of the span, asked again only of what may still change."""
        first = math.ceil(span.since / HOUR) * HOUR
        last = max(math.floor((span.until - SETTLED_SECONDS) / HOUR) * HOUR, first)
        if last <= first or last > span.until:
            return read(span)
        found = read(span._replace(until=first)) if span.since < first else []
        for hour in range(first, last, HOUR):
            found += self._hour(span._replace(since=hour, until=hour + HOUR), what, read)
        return found + (read(span._replace(since=last)) if last < span.until else [])

    def _hour(self, span: Span, what: Hashable, read: Read) -> list[Bucket]:
        key = (span, what)
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        found = read(span)
        with self._lock:
            self._known[key] = found
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return found

"""Holds answers to copies of requests against the live version's, and counts those that said something else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from modelloop_core.agreement import agree
from modelloop_core.feature_schema import Output
from modelloop_core.wire.minutes import MinuteCounts
from modelloop_monitor.checking import References
from modelloop_monitor.outcomes.taking import outputs_of
from modelloop_monitor.store import mirrored, outcomes, traffic
from modelloop_monitor.store.engine import Store
from modelloop_monitor.store.mirrored import Copied
from modelloop_monitor.store.outcomes import LoggedRow
from modelloop_monitor.store.traffic import MinuteKey

LONGEST_WAIT_SECONDS = 120.0
"""So long an answer waits for the other one: both are posted within seconds, if both were chosen."""

_AGAIN_SECONDS = 5.0
# SQLite takes 32,766 parameters at most, and a key has five parts.
_AT_ONCE = 2_000


@dataclass(frozen=True)
class _Pair:
    copied: Copied
    live: LoggedRow


class Comparer:
    """Compares; several processes may try, one does."""

    def __init__(self, store: Store, references: References, traffic_seconds: int) -> None:
        self._store = store
        self._references = references
        self._traffic_seconds = traffic_seconds

    def compare(self, now: float) -> int:
        """Compare all that is due; returns how many were. Raises StoreError, with nothing half-done."""
        compared = 0
        with self._store.alone("compare") as alone:
            while alone and (found := self._some(now)) is not None:
                compared += found
        return compared

    def _some(self, now: float) -> int | None:
        with self._store.reading() as connection:
            if not mirrored.due(connection, now, 1):
                return None
        with self._store.writing() as connection:
            copies = mirrored.due(connection, now, _AT_ONCE)
            pairs = _paired(connection, copies)
            # First: whoever folds has the minutes before it has the copies.
            traffic.add(connection, self._counted(pairs))
            found = {pair.copied.key for pair in pairs}
            waiting = [one for one in copies if one.key not in found and now - one.received < LONGEST_WAIT_SECONDS]
            over = {one.key for one in copies} - {one.key for one in waiting}
            mirrored.put_off(connection, [one.key for one in waiting], now + _AGAIN_SECONDS)
            mirrored.remove(connection, over)
        return len(pairs)

    def _counted(self, pairs: Sequence[_Pair]) -> dict[MinuteKey, MinuteCounts]:
        outputs = self._outputs(pairs)
        counted: dict[MinuteKey, MinuteCounts] = {}
        for pair in pairs:
            said = _said_alike(pair, outputs)
            if said is None:
                continue
            copied, width = pair.copied, self._traffic_seconds
            key = MinuteKey(*copied.model, copied.version, int(copied.at // width) * width)
            against = pair.live.version
            new = MinuteCounts(compared={against: 1}, differing={} if said else {against: 1})
            held = counted.get(key, MinuteCounts())
            counted[key] = held + MinuteCounts(mirrored=new)
        return counted

    def _outputs(self, pairs: Iterable[_Pair]) -> dict[str, Output]:
        digests = {digest for pair in pairs for digest in (pair.copied.reference, pair.live.reference)}
        return outputs_of(self._references, digests)


def _paired(connection: Connection, copies: Sequence[Copied]) -> list[_Pair]:
    found: list[_Pair] = []
    for model in sorted({one.model for one in copies}):
        mine = [one for one in copies if one.model == model]
        logged = outcomes.logged(connection, model, {one.request_id for one in mine})
        for one in mine:
            rows = logged.get(one.request_id, ())
            live = next((row for row in rows if row.row == one.row and row.version != one.version), None)
            found += [_Pair(one, live)] if live is not None else []
    return found


def _said_alike(pair: _Pair, outputs: Mapping[str, Output]) -> bool | None:
    """None where it is not known what the numbers mean, as of a version without reference.json."""
    ours, theirs = (outputs.get(digest or "") for digest in (pair.copied.reference, pair.live.reference))
    if ours is None or theirs is None:
        return None
    return agree(json.loads(pair.copied.prediction), json.loads(pair.live.prediction), ours, theirs)

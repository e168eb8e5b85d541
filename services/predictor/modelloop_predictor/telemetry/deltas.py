"""Counts live rows in blocks, and cuts what was counted into posts for the monitor."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson

from modelloop_core.drift.counter import ProfileCounter
from modelloop_core.drift.profile import ColumnProfile
from modelloop_core.wire.limits import MOST_CARD
from modelloop_predictor.telemetry.buffer import RowBuffer
from modelloop_predictor.telemetry.predictions import Copies, PredictionLog
from modelloop_predictor.telemetry.traffic import TrafficMeter
from modelloop_predictor.telemetry.unseen import UnseenLevels, storable

_CARD_PAUSE = timedelta(hours=1)


class Post(NamedTuple):
    """The bytes of one ProfilePost, and how many rows it counts."""

    body: bytes
    rows: int


class Counters(NamedTuple):
    """What counts rows: the buffer in which they wait, the bins, and the digest of their reference."""

    buffer: RowBuffer
    profile: ProfileCounter
    reference: str


class Mirrored(NamedTuple):
    """How copies of requests ended, and what was answered to those that are compared."""

    traffic: TrafficMeter
    copies: Copies | None


class Deltas:
    """What has happened since the last cut; belongs to one thread.

    `about` are the source, epoch, namespace, name and version of every post. Without `counters` only traffic and logged
    predictions are posted. The `card` goes with the first post, and again each hour: a monitor that lost what it had
    comes to have it.
    """

    def __init__(
        self,
        about: Mapping[str, str],
        traffic: TrafficMeter,
        *,
        counters: Counters | None,
        unseen: UnseenLevels,
        log: PredictionLog | None,
        card: str | None,
        now: datetime,
        mirrored: Mirrored | None = None,
    ) -> None:
        self._about = dict(about)
        self._traffic = traffic
        self._counters = counters
        self._unseen = unseen
        self._log = log
        self._mirrored = mirrored
        self._card = storable(card) if card is not None and len(card) <= MOST_CARD else None
        self._card_due = self._since = now
        self._sequence = 0
        self._dropped = 0
        self._rows = 0
        self.counted = 0

    def count(self, least: int = 1) -> None:
        """Count what waits, in blocks; fewer than `least` rows go on waiting."""
        self._unseen.gather()
        if self._counters is None:
            return
        while (block := self._counters.buffer.take(least)) is not None:
            self._counters.profile.count(*block)
            self._rows += len(block[0])
            self.counted += len(block[0])

    def cut(self, now: datetime) -> Post:
        """The post of everything since the last one; `now` is where the next one begins."""
        self.count()
        rows, self._rows = self._rows, 0
        document: dict[str, Any] = {
            **self._about,
            "sequence": self._sequence,
            "since": min(self._since, now),
            "until": now,
            "traffic": {**self._traffic.take(), "dropped_rows": self._take_dropped()},
            "predictions": self._log.take() if self._log is not None else [],
            **self._counted(),
            **self._copied(),
            **self._told_card(now),
        }
        self._since = now
        self._sequence += 1
        return Post(orjson.dumps(document), rows)

    def _counted(self) -> dict[str, Any]:
        if self._counters is None:
            return {}
        profile, unseen = self._counters.profile.take(), self._unseen.take()
        return {
            "reference": self._counters.reference,
            "features": {name: _column(column, unseen.get(name)) for name, column in profile.features.items()},
            "outputs": {name: _column(column, None) for name, column in profile.outputs.items()},
        }

    def _copied(self) -> dict[str, Any]:
        """Left out where there were none, so that a monitor of before takes the post."""
        if self._mirrored is None:
            return {}
        traffic, copies = self._mirrored.traffic.take(), self._mirrored.copies
        logged = copies.take() if copies is not None else []
        told = {"mirrored": traffic} if traffic["requests"] else {}
        return {**told, **({"mirrored_predictions": logged} if logged else {})}

    def _told_card(self, now: datetime) -> dict[str, Any]:
        if self._card is None or now < self._card_due:
            return {}
        self._card_due = now + _CARD_PAUSE
        return {"card": self._card}

    def _take_dropped(self) -> int:
        if self._counters is None:
            return 0
        before, self._dropped = self._dropped, self._counters.buffer.dropped
        return self._dropped - before


def _column(profile: ColumnProfile, unseen: Mapping[str, int] | None) -> dict[str, Any]:
    column: dict[str, Any] = {"counts": profile.counts.tolist(), "sums": profile.sums.tolist()}
    for name in ("null", "positive_infinite", "negative_infinite"):
        if value := getattr(profile, name):
            column[name] = value
    if unseen:
        column["unseen"] = dict(unseen)
    return column

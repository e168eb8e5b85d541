"""Model cards come with posts, the last one of a version is shown, and they go when nobody brings them any more."""

from __future__ import annotations

from typing import Any

from modelloop_monitor.store import cards
from support.monitors import NOON, Running, example_post, running

DAY = 86_400.0
CHURN = ("shop", "churn")


def _told(monitor: Running, most: int = 10) -> list[tuple[str, str]]:
    with monitor.monitor.store.reading() as connection:
        return cards.latest(connection, CHURN, most)


def _post(monitor: Running, sequence: int, **changes: Any) -> None:
    document = example_post(sequence, monitor.time[0], reference=None, features={}, outputs={}, **changes)
    assert monitor.post(document).status_code == 200
    monitor.fold()


def test_each_version_has_its_last_card_and_what_was_told_last_comes_first(database: str) -> None:
    with running(database) as monitor:
        _post(monitor, 0, card="first")
        _post(monitor, 1, version="1.1.0", card="other", source="pod-2")
        monitor.time[0] += 3600
        _post(monitor, 2, card="second")
        _post(monitor, 3)
        assert _told(monitor) == [("1.0.0", "second"), ("1.1.0", "other")]
        assert _told(monitor, 1) == [("1.0.0", "second")]


def test_a_card_that_nobody_brings_any_more_goes(database: str) -> None:
    with running(database, window_days=5) as monitor:
        _post(monitor, 0, card="first")
        monitor.monitor.pruner.prune(NOON + 4.9 * DAY)
        assert _told(monitor)
        monitor.monitor.pruner.prune(NOON + 5.1 * DAY)
        assert not _told(monitor)


def test_a_card_is_text_whatever_it_holds(database: str) -> None:
    with running(database) as monitor:
        _post(monitor, 0, card="<script>alert(1)</script>\n\u2028 \U0001f600")
        page = monitor.client.get("/models/shop/churn/card").text
        assert "<script>alert(1)" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page

"""A model's quality falls below its limit and comes back: one incident, told when it opens and when it is over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from modelloop_core.wire.settings import AlertSettings, ModelSettings, QualitySettings, WebhookSettings, settings_path
from modelloop_core.wire.watching import Notification
from modelloop_monitor.notices import Delivery
from support.monitors import NOON, Running, running
from support.outcomes import OWN, log_rows, told

HOUR = 3600
DELAY = 2 * HOUR
LIMIT = QualitySettings(metric="accuracy", min=0.8, label_delay_seconds=DELAY)
SETTINGS = ModelSettings(
    quality=LIMIT, alerts=AlertSettings(webhook=WebhookSettings(url="http://hook/in")), retention_seconds=9e9
)


@pytest.fixture
def mailbox() -> list[Notification]:
    return []


@pytest.fixture
def monitor(database: str, mailbox: list[Notification]) -> Iterator[Running]:
    def send(delivery: Delivery) -> None:
        mailbox.append(Notification.model_validate_json(delivery.body))

    with running(database, send=send) as found:
        found.put_reference()
        yield found


def _set_up(monitor: Running, settings: ModelSettings) -> None:
    body = settings.model_dump_json()
    assert monitor.client.put(settings_path("shop", "churn"), content=body).status_code == 204


class Hours:
    """One hour of predictions after the other, of which so many are right; labels come at its end."""

    def __init__(self, monitor: Running, settings: ModelSettings = SETTINGS) -> None:
        self._monitor = monitor
        self._settings = settings
        self._number = 0

    def pass_with(self, right: int | None, scores: Any = None) -> None:
        """`right` None: no labels come."""
        start = NOON + self._number * HOUR
        self._monitor.time[0] = start + HOUR
        _set_up(self._monitor, self._settings)
        found = np.full(200, 0.75) if scores is None else scores
        logged = [
            {"request_id": f"h{self._number}-{place}", "at": start + place, "prediction": float(score)}
            for place, score in enumerate(found)
        ]
        log_rows(self._monitor, self._number, logged, start + HOUR / 2)
        if right is not None:
            labels = [bool((score >= 0.5) == (place < right)) for place, score in enumerate(found)]
            names = [row["request_id"] for row in logged]
            items = [{"request_id": name, "label": label} for name, label in zip(names, labels, strict=True)]
            assert told(self._monitor, {**OWN, "feedback": items})["joined"] == len(found)
        self._number += 1
        self._monitor.work(start + HOUR + 61)


def test_quality_below_its_limit_is_told_once_when_labels_had_their_time_and_when_it_is_over(
    monitor: Running, mailbox: list[Notification]
) -> None:
    hours = Hours(monitor)
    for right in (180, 120, 120):
        hours.pass_with(right)
    assert mailbox == [], "the bad hours' labels have not had their time"

    hours.pass_with(180)

    [opened] = mailbox
    assert (opened.change, opened.cause, opened.level, opened.features) == ("opened", "quality", "drift", ("accuracy",))
    assert opened.what.startswith("accuracy 0.6 (0.53")
    assert "of 200 labelled predictions against at least 0.8" in opened.what
    assert "from 2026-03-02 13:00Z to 2026-03-02 14:00Z" in opened.what
    assert opened.version == "1.0.0"
    for right in (180, 180):
        hours.pass_with(right)
    assert [one.change for one in mailbox] == ["opened", "closed"]


def test_a_window_in_doubt_neither_opens_nor_closes(monitor: Running, mailbox: list[Notification]) -> None:
    hours = Hours(monitor)
    # So few that nothing is estimated from them.
    scores = np.full(50, 0.75)
    for right in (39, 39, 39, 39):
        hours.pass_with(right, scores)
    assert mailbox == [], "39 of 50 may well be 0.8"

    for right in (25, 39, 39, 39, 39):
        hours.pass_with(right, scores)

    assert [one.change for one in mailbox] == ["opened"]


def test_an_estimate_that_is_surely_too_low_warns_before_labels_come(
    monitor: Running, mailbox: list[Notification]
) -> None:
    hours = Hours(monitor)
    # 450 sure answers are all right, of 150 near the middle every second one is.
    hours.pass_with(525, scores=np.repeat([0.95, 0.55], [450, 150]))

    hours.pass_with(None, scores=np.full(200, 0.55))

    [warned] = mailbox
    assert (warned.level, warned.features) == ("moderate", ("estimated accuracy",))
    assert "as long as the same case still has the same outcome" in warned.sure


def test_without_a_limit_nothing_is_told(monitor: Running, mailbox: list[Notification]) -> None:
    hours = Hours(monitor, SETTINGS.model_copy(update={"quality": None}))

    for _ in range(4):
        hours.pass_with(20)

    assert mailbox == []


def test_prometheus_reads_quality_with_its_interval(monitor: Running) -> None:
    Hours(monitor).pass_with(160)

    page = monitor.client.get("/metrics").text

    own = 'model="churn",namespace="shop"'
    both = 'model="churn",namespace="shop",source="labels",version="1.0.0"'
    assert f'modelloop_monitor_quality{{metric="accuracy",{both}}} 0.8' in page
    assert f'modelloop_monitor_quality_low{{metric="accuracy",{both}}} 0.73' in page
    assert f'modelloop_monitor_labelled_ratio{{{own},version="1.0.0"}} 1.0' in page
    assert f'modelloop_monitor_feedback_latency_seconds{{{own},quantile="0.5",version="1.0.0"}} 3500.5' in page
    assert f'modelloop_monitor_errors_growing{{{own},version="1.0.0"}} ' in page
    assert 'modelloop_monitor_outcomes_total{kind="feedback",outcome="joined"} 200.0' in page

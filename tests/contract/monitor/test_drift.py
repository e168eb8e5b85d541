"""A model drifts and comes back: windows are judged, one incident opens, gets worse and closes, each told once."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from modelloop_core.wire.reports import DriftReport, Level
from modelloop_core.wire.settings import (
    FORGOTTEN_SECONDS,
    AlertmanagerSettings,
    AlertSettings,
    DriftSettings,
    ModelSettings,
    WebhookSettings,
    settings_path,
)
from modelloop_core.wire.watching import Notification
from modelloop_monitor.notices import Delivery
from modelloop_monitor.sending import NotTaken
from support.monitors import NOON, Running, counted_post, older, older_and_paying, quiet, running

HOUR = 3600.0
Population = Callable[[], tuple[Any, Any]]
ALERTS = AlertSettings(webhook=WebhookSettings(url="http://hook/in", key="k3y"))


class Mailbox:
    """Takes what is sent; refuses it while `closed`."""

    def __init__(self) -> None:
        self.taken: list[Delivery] = []
        self.closed = False

    def send(self, delivery: Delivery) -> None:
        if self.closed:
            raise NotTaken("closed")
        self.taken.append(delivery)

    @property
    def told(self) -> list[Notification]:
        return [Notification.model_validate_json(one.body) for one in self.taken]

    @property
    def changes(self) -> list[str]:
        return [str(one.change) for one in self.told]


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def monitor(database: str, mailbox: Mailbox) -> Iterator[Running]:
    with running(database, send=mailbox.send) as found:
        found.put_reference()
        _set_up(found)
        yield found


def _set_up(monitor: Running, **changes: Any) -> None:
    settings = ModelSettings(alerts=ALERTS).model_copy(update=changes)
    body = settings.model_dump_json()
    assert monitor.client.put(settings_path("shop", "churn"), content=body).status_code == 204


class Story:
    """Hours of traffic, one after the other; each ends with the monitor's work."""

    def __init__(self, monitor: Running) -> None:
        self._monitor = monitor
        self.hours = 0

    def hour(self, population: Population | None, **changes: Any) -> DriftReport:
        start = NOON + self.hours * HOUR
        self._monitor.time[0] = start + 1800
        if population is not None:
            post = counted_post(self.hours, start + 1800, *population(), **changes)
            assert self._monitor.post(post).json() == {"applied": True}
        self.hours += 1
        self._monitor.work(start + HOUR + 60)
        return DriftReport.model_validate(self._monitor.get("drift"))


def test_drift_that_lasts_is_one_incident_told_when_it_opens_gets_worse_and_closes(
    monitor: Running, mailbox: Mailbox
) -> None:
    story = Story(monitor)
    assert story.hour(quiet).verdict in (Level.STABLE, Level.TREND)
    for _ in range(2):
        report = story.hour(older)
        assert (report.verdict, report.incident, mailbox.taken) == (Level.DRIFT, None, [])
    report = story.hour(older)
    assert report.incident is not None
    assert report.incident.features == ("age",)
    assert report.columns[0].name == "age"
    assert report.columns[0].consecutive == 3
    story.hour(older)
    assert mailbox.changes == ["opened"]
    for _ in range(4):
        story.hour(older_and_paying)
    assert mailbox.changes == ["opened", "worse"]
    report = story.hour(quiet)
    assert report.incident is None
    assert mailbox.changes == ["opened", "worse", "closed"]
    told = mailbox.told[0]
    assert told.since.timestamp() == NOON + HOUR
    assert "age (PSI" in told.what
    assert "; psi" not in told.what
    assert "3 windows in a row" in told.sure
    assert "kubectl mlmodel drift churn -n shop" in told.action
    signature = hmac.new(b"k3y", mailbox.taken[0].body, hashlib.sha256).hexdigest()
    assert mailbox.taken[0].headers["x-modelloop-signature"] == f"sha256={signature}"


def test_a_thin_window_is_not_scored_and_neither_advances_nor_resets(monitor: Running, mailbox: Mailbox) -> None:
    story = Story(monitor)
    for _ in range(2):
        story.hour(older)
    report = story.hour(lambda: older(20))
    assert report.verdict is Level.INSUFFICIENT
    story.hour(older)
    assert mailbox.changes == ["opened"]


def test_a_silent_hour_is_no_data_and_no_drift(monitor: Running) -> None:
    story = Story(monitor)
    story.hour(quiet)
    for _ in range(3):
        report = story.hour(None)
    assert (report.verdict, report.window) == (Level.NO_DATA, None)
    assert "no counts since" in report.message


def test_late_counts_have_their_window_judged_again_and_what_follows_from_it(monitor: Running) -> None:
    story = Story(monitor)
    story.hour(lambda: quiet(20))
    for _ in range(2):
        report = story.hour(older)
    assert report.incident is None
    late = counted_post(90, NOON + 1900, *older(5000), source="late")
    assert monitor.post(late).json() == {"applied": True}
    monitor.work(NOON + 3 * HOUR + 120)
    report = DriftReport.model_validate(monitor.get("drift"))
    assert report.incident is not None
    windows = monitor.get("history")["windows"]
    assert [(window["verdict"], window["rows"]) for window in windows] == [
        ("drift", 5020),
        ("drift", 2000),
        ("drift", 2000),
    ]
    assert {column.name: column.consecutive for column in report.columns}["age"] == 3


def test_versions_of_one_reference_are_judged_together(monitor: Running) -> None:
    story = Story(monitor)
    monitor.time[0] = NOON + 1000
    monitor.post(counted_post(0, NOON + 1000, *older(400), version="1.0.1", source="second"))
    report = story.hour(lambda: older(450))
    assert (report.rows, report.version, report.verdict) == (850, "1.0.0", Level.DRIFT)


def test_one_entity_that_asks_often_is_not_many(monitor: Running) -> None:
    at = NOON + 1800
    logged = [{"request_id": f"r{n}", "entity": f"u{n % 5}", "at": at, "prediction": 0.5} for n in range(2000)]
    report = Story(monitor).hour(older, predictions=logged)
    assert report.verdict is Level.INSUFFICIENT


def test_a_restart_between_change_and_notification_tells_it_once(database: str, mailbox: Mailbox) -> None:
    with running(database, send=mailbox.send) as first:
        first.put_reference()
        _set_up(first)
        story = Story(first)
        mailbox.closed = True
        for _ in range(3):
            story.hour(older)
        end = first.time[0]
    mailbox.closed = False
    with running(database, end, send=mailbox.send) as second:
        for later in (10, 20, 30):
            second.work(end + later)
    assert mailbox.changes == ["opened"]


def test_a_target_that_is_away_is_tried_again_later_and_later(monitor: Running, mailbox: Mailbox) -> None:
    story = Story(monitor)
    mailbox.closed = True
    for _ in range(3):
        story.hour(older)
    mailbox.closed = False
    end = monitor.time[0]
    monitor.monitor.notifier.notify(end + 4)
    assert mailbox.taken == []
    monitor.monitor.notifier.notify(end + 6)
    assert mailbox.changes == ["opened"]
    assert 'notifications_total{outcome="failed"} 1.0' in monitor.client.get("/metrics").text


def test_a_silence_withholds_and_what_is_still_true_is_told_when_it_ends(monitor: Running, mailbox: Mailbox) -> None:
    story = Story(monitor)
    for _ in range(2):
        story.hour(older)
    silence = {"seconds": 2 * HOUR, "reason": "migration"}
    assert monitor.client.post("/v1/models/shop/churn/silences", json=silence).status_code == 201
    report = story.hour(older)
    assert report.incident is not None
    assert report.incident.silenced_until is not None
    assert mailbox.taken == []
    for _ in range(2):
        story.hour(older)
    assert mailbox.changes == ["opened"]


def test_alertmanager_gets_an_alert_for_each_stage_and_its_end(monitor: Running, mailbox: Mailbox) -> None:
    _set_up(monitor, alerts=AlertSettings(alertmanager=AlertmanagerSettings(url="http://am/", token="t")))
    story = Story(monitor)
    for population in (older, older, older, older_and_paying, older_and_paying, older_and_paying, quiet):
        story.hour(population)
    sent = [json.loads(delivery.body) for delivery in mailbox.taken]
    assert {delivery.url for delivery in mailbox.taken} == {"http://am/api/v2/alerts"}
    assert mailbox.taken[0].headers["authorization"] == "Bearer t"
    assert sent[0][0]["labels"] == {
        "alertname": "ModelDrift", "namespace": "shop", "model": "churn", "severity": "warning", "stage": "1",
    }  # fmt: skip
    worse = next(alerts for alerts in sent if len(alerts) == 2)
    assert [alert["labels"]["stage"] for alert in worse] == ["2", "1"]
    assert worse[1]["endsAt"] < worse[0]["endsAt"]
    assert [alert["labels"]["stage"] for alert in sent[-1]] == ["2"]


def test_a_model_from_which_nothing_comes_is_told_once(monitor: Running, mailbox: Mailbox) -> None:
    _set_up(monitor, window_seconds=900)
    monitor.post(counted_post(0, NOON, *quiet()))
    for minutes in range(0, 50, 5):
        monitor.work(NOON + minutes * 60)
    assert [(str(one.change), str(one.cause)) for one in mailbox.told] == [("opened", "silence")]
    monitor.post(counted_post(1, NOON + 3000, *quiet()))
    monitor.work(NOON + 3000)
    assert mailbox.changes == ["opened", "closed"]


def test_a_model_that_was_deleted_is_not_missed(monitor: Running, mailbox: Mailbox) -> None:
    monitor.post(counted_post(0, NOON, *quiet()))
    for at in (NOON, NOON + FORGOTTEN_SECONDS + 1, NOON + 30 * HOUR):
        monitor.work(at)
    assert mailbox.taken == []


def test_a_restart_after_a_long_stop_does_not_take_its_own_silence_for_the_models(
    database: str, mailbox: Mailbox
) -> None:
    with running(database, send=mailbox.send) as first:
        first.put_reference()
        first.post(counted_post(0, NOON, *quiet()))
        first.work(NOON)
    with running(database, NOON + 10 * HOUR, send=mailbox.send) as second:
        _set_up(second)
        second.work(NOON + 10 * HOUR)
        second.work(NOON + 10 * HOUR + 30)
    assert mailbox.taken == []


def test_there_is_each_minute_of_one_version(monitor: Running) -> None:
    monitor.time[0] = NOON
    for number, (at, version) in enumerate(((NOON - 100, "1.0.0"), (NOON - 30, "1.0.0"), (NOON - 30, "1.1.0"))):
        monitor.post(counted_post(number, at, *quiet(50), version=version))
    monitor.fold()
    minutes = monitor.get("minutes", version="1.0.0")["minutes"]
    assert [(minute["at"], minute["counts"]["requests"]) for minute in minutes] == [
        ("2026-03-02T11:58:00Z", 50),
        ("2026-03-02T11:59:00Z", 50),
    ]
    assert sum(minutes[0]["counts"]["outputs"]["prediction"]) == 50
    assert minutes[0]["counts"]["errors"] == {"DeadlineExceeded": 1}
    assert monitor.get("minutes", version="9.9.9")["minutes"] == []
    recent = monitor.get("drift")["recent"]
    assert (recent["requests"], recent["errors"]) == (150, 3)


def test_models_are_listed_with_their_verdicts_and_an_unknown_one_is_not_found(monitor: Running) -> None:
    story = Story(monitor)
    for _ in range(3):
        story.hour(older)
    [model] = monitor.client.get("/v1/models").json()["models"]
    assert (model["namespace"], model["name"], model["verdict"], model["incidents"]) == ("shop", "churn", "drift", 1)
    unknown = monitor.client.get("/v1/models/shop/other/drift")
    assert (unknown.status_code, unknown.json()["reason"]) == (404, "UnknownModel")


def test_gauges_show_the_last_window_and_survive_a_restart(database: str, mailbox: Mailbox) -> None:
    with running(database, send=mailbox.send) as first:
        first.put_reference()
        _set_up(first, drift=DriftSettings(features=({"name": "plan", "role": "ignore"},)))
        Story(first).hour(older)
        end = first.time[0]
    with running(database, end) as second:
        second.work(end)
        page = second.client.get("/metrics").text
    own = 'model="churn",namespace="shop"'
    assert f'modelloop_monitor_window_verdict{{{own},verdict="drift",version="1.0.0"}} 1.0' in page
    assert f'modelloop_monitor_window_rows{{{own},version="1.0.0"}} 2000.0' in page
    assert 'modelloop_monitor_column_psi{column="age"' in page
    assert 'column="plan"' not in page

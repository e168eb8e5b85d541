"""What no clock and no calendar has, and what cannot be read any more: it costs one model something, and never all."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from modelloop_core.wire.settings import AlertSettings, DriftSettings, ModelSettings, WebhookSettings, settings_path
from modelloop_monitor import evaluation
from modelloop_monitor.store import inbox
from modelloop_monitor.store.schema import PREDICTIONS, REPORTS, WINDOWS
from support.monitors import NOON, Running, counted_post, example_post, older, running
from support.outcomes import OWN, follow, log, log_rows, quality_of, tell, told

HOUR, DAY = 3600.0, 86_400.0


@pytest.fixture
def monitor(database: str) -> Iterator[Running]:
    with running(database) as found:
        assert found.put_reference().status_code == 204
        yield found


@pytest.mark.parametrize(
    ("at", "placed"),
    [
        pytest.param(NOON - 65, NOON - 65, id="just before the post"),
        pytest.param(1e300, NOON, id="beyond all calendars"),
        pytest.param(NOON + DAY, NOON, id="tomorrow"),
        pytest.param(0.0, NOON - 62.5 - DAY, id="at the beginning of time"),
    ],
)
def test_a_prediction_is_of_the_day_before_its_post(monitor: Running, at: float, placed: float) -> None:
    log_rows(monitor, 0, [{"request_id": "r1", "at": at, "prediction": 0.75}], at=NOON - 60)
    with monitor.monitor.store.reading() as connection:
        assert connection.execute(select(PREDICTIONS.c.at)).scalar_one() == pytest.approx(placed, rel=0, abs=1e-3)
    assert tell(monitor, ("r1", 1))["joined"] == 1
    assert quality_of(monitor)["reports"][0]["labelled"] == 1


def test_a_prediction_of_a_clock_that_is_ahead_is_corrected_as_its_post_is(monitor: Running) -> None:
    post = example_post(0, NOON + 300, predictions=[{"request_id": "r1", "at": NOON + 298, "prediction": 0.75}])
    assert monitor.post(post).status_code == 200
    monitor.fold()
    with monitor.monitor.store.reading() as connection:
        assert connection.execute(select(PREDICTIONS.c.at)).scalar_one() == pytest.approx(NOON - 2, rel=0, abs=1e-3)


@pytest.mark.parametrize(
    ("ahead", "refused"),
    [pytest.param(600, False, id="as much as clocks may differ"), pytest.param(601, True, id="a second more")],
)
def test_labels_and_events_from_the_future_are_refused_by_index(monitor: Running, ahead: int, refused: bool) -> None:
    log(monitor, 0, "r1", "r2")
    at = (datetime.fromtimestamp(NOON, UTC) + timedelta(seconds=ahead)).isoformat()
    label = {"request_id": "r1", "label": 1, "at": at}
    answers = [
        told(monitor, {**OWN, "feedback": [{"request_id": "r2", "label": 1}, label]}),
        follow(monitor, {"request_id": "r2", "name": "click"}, {"request_id": "r1", "name": "click", "at": at}),
    ]
    for answer in answers:
        assert answer["joined"] == (1 if refused else 2)
        assert list(answer["refused"]) == (["1"] if refused else [])


def test_a_label_of_no_time_that_a_prediction_has_is_refused(monitor: Running) -> None:
    log(monitor, 0, "r1")
    answer = told(monitor, {**OWN, "feedback": [{"request_id": "r1", "label": 1, "at": "0001-01-01T00:00:00Z"}]})
    assert (answer["joined"], list(answer["refused"])) == (0, ["0"])
    assert "before 1970" in answer["refused"]["0"]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-01-01T00:00:00", "soon"])
@pytest.mark.parametrize("bound", ["since", "until"])
@pytest.mark.parametrize("page", ["minutes", "history"])
def test_times_that_no_report_has_are_named(monitor: Running, page: str, bound: str, moment: str) -> None:
    log(monitor, 0, "r1")
    query = {"version": "1.0.0", bound: moment}
    answer = monitor.client.get(f"/v1/models/shop/churn/{page}", params=query)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, bound)


def _of_an_older_release(**changes: Any) -> bytes:
    return zlib.compress(json.dumps(example_post(7, **changes)).encode())


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            _of_an_older_release(predictions=[{"request_id": "r", "at": 1, "prediction": 1, "row": 2**63}]),
            id="huge row",
        ),
        pytest.param(_of_an_older_release(features={"age": {"counts": [1], "sums": [1.0]}}), id="other bins"),
        pytest.param(b"no post", id="unreadable"),
    ],
)
def test_a_post_that_cannot_be_folded_keeps_no_other_from_being_folded(monitor: Running, body: bytes) -> None:
    monitor.post(example_post(0, NOON - 60))
    with monitor.monitor.store.writing() as connection:
        inbox.add(connection, [{"at": NOON - 60, "received": NOON, "body": body}])
    monitor.post(example_post(1, NOON - 60))
    assert (monitor.fold(), monitor.fold()) == (3, 0)
    assert sum(minute["counts"]["requests"] for minute in monitor.get("minutes", version="1.0.0")["minutes"]) == 20
    assert monitor.monitor.metrics.registry.get_sample_value("modelloop_monitor_posts_left_out_total") == 1


def test_a_window_that_cannot_be_judged_keeps_no_other_from_being_judged(monitor: Running) -> None:
    log(monitor, 0, "r1", at=NOON - 2 * HOUR + 1800)
    log(monitor, 1, "r2", at=NOON - HOUR + 1800)
    with monitor.monitor.store.writing() as connection:
        broken = update(PREDICTIONS).where(PREDICTIONS.c.request_id == "r1")
        connection.execute(broken.values(prediction="no JSON"))
    tell(monitor, ("r2", 1))
    for _ in range(2):
        assert [item["labelled"] for item in quality_of(monitor)["reports"]] == [1]
        monitor.time[0] += 61
    assert b'work_failures_total{work="quality"} 2.0' in monitor.monitor.metrics.page()


def test_windows_that_cannot_be_judged_do_not_take_the_place_of_others(
    monitor: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "_MOST_AT_ONCE", 1)
    for hour, name in enumerate(("broken", "churn")):
        monitor.time[0] = NOON + hour * HOUR
        monitor.post(counted_post(0, NOON + hour * HOUR, *older(), name=name, source=name))
        monitor.fold()
    with monitor.monitor.store.writing() as connection:
        connection.execute(update(WINDOWS).where(WINDOWS.c.name == "broken").values(profile=b"no profile"))
    for seconds in (0, 1, 601):
        monitor.monitor.evaluator.evaluate(NOON + 2 * HOUR + 100 + seconds)
    assert len(monitor.get("history")["windows"]) == 1
    assert b'work_failures_total{work="evaluate"} 2.0' in monitor.monitor.metrics.page()


def test_a_report_that_cannot_be_read_keeps_no_other_from_being_told(database: str) -> None:
    told_of: list[Any] = []
    with running(database, send=told_of.append) as monitor:
        monitor.put_reference()
        alerts = AlertSettings(webhook=WebhookSettings(url="http://hook/in"))
        watched = ModelSettings(drift=DriftSettings(consecutive_windows=1), alerts=alerts).model_dump_json()
        for name in ("a-broken", "churn"):
            monitor.client.put(settings_path("shop", name), content=watched)
        monitor.post(counted_post(0, NOON, *older(), name="a-broken", source="a"))
        monitor.work(NOON + 3700)
        with monitor.monitor.store.writing() as connection:
            connection.execute(update(REPORTS).values(document=b"no report"))
        monitor.time[0] += HOUR
        monitor.post(counted_post(0, NOON + HOUR, *older()))
        monitor.fold()
        monitor.monitor.evaluator.evaluate(NOON + 2 * HOUR + 100)
        monitor.monitor.notifier.notify(NOON + 2 * HOUR + 100)
        assert [json.loads(one.body)["name"] for one in told_of] == ["a-broken", "churn"]

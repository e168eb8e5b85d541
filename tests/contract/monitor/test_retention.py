"""What is kept has an age at which it goes, and nothing goes before."""

from __future__ import annotations

from sqlalchemy import func, select

from modelloop_core.drift.reference import digest_of
from modelloop_core.wire.settings import AlertSettings, ModelSettings, WebhookSettings, settings_path
from modelloop_monitor.retention import Pruner
from modelloop_monitor.store import models
from modelloop_monitor.store.outcome_schema import EVENTS, FEEDBACK, QUALITY, QUALITY_VERSIONS
from modelloop_monitor.store.schema import PREDICTIONS, REFERENCES, REPORTS, SOURCES, TRAFFIC, WINDOWS
from support.monitors import DIGEST, NOON, Running, counted_post, example_reference, quiet, running
from support.outcomes import follow, log, tell

DAY = 86_400.0
CHURN = ("shop", "churn")
ALERTS = AlertSettings(severity="critical", webhook=WebhookSettings(url="http://hook/in", key="k3y"))
UNUSED = example_reference(seed=2).to_json()


def _rows(monitor: Running) -> dict[str, int]:
    tables = (TRAFFIC, WINDOWS, SOURCES, REPORTS, PREDICTIONS)
    with monitor.monitor.store.reading() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables
        }


def test_each_table_keeps_its_rows_as_long_as_it_is_told(database: str) -> None:
    ages = {"traffic_days": 2, "source_days": 3, "prediction_days": 9, "window_days": 5, "report_days": 6}
    with running(database, **ages) as monitor:
        monitor.put_reference()
        body = ModelSettings(retention_seconds=4 * DAY).model_dump_json()
        monitor.client.put(settings_path("shop", "churn"), content=body)
        logged = [{"request_id": f"r{n}", "at": NOON, "prediction": 0.5} for n in range(3)]
        monitor.post(counted_post(0, NOON, *quiet(), predictions=logged))
        monitor.work(NOON + 3700)
        assert _rows(monitor) == {"traffic": 1, "windows": 1, "sources": 1, "reports": 1, "predictions": 3}
        assert monitor.monitor.pruner.prune(NOON + 2 * DAY - 300) == 0
        for days, gone in ((2, "traffic"), (3, "sources"), (4, "predictions"), (5, "windows"), (6, "reports")):
            before = _rows(monitor)
            assert before[gone] > 0
            monitor.monitor.pruner.prune(NOON + days * DAY + 300)
            assert _rows(monitor) == before | {gone: 0}


def test_labels_go_with_their_predictions_and_what_was_said_stays(database: str) -> None:
    with running(database, prediction_days=9, report_days=20) as monitor:
        monitor.put_reference()
        body = ModelSettings(retention_seconds=4 * DAY).model_dump_json()
        monitor.client.put(settings_path("shop", "churn"), content=body)
        log(monitor, 0, "r1", at=NOON)
        monitor.time[0] = NOON + 2 * DAY
        tell(monitor, ("r1", 1), ("never", 1))
        follow(monitor, {"request_id": "r1", "name": "click"}, {"request_id": "never", "name": "click"})
        monitor.work(NOON + 2 * DAY)

        def kept(days: float) -> list[int]:
            monitor.monitor.pruner.prune(NOON + days * DAY)
            with monitor.monitor.store.reading() as connection:
                return [
                    connection.execute(select(func.count()).select_from(table)).scalar_one()
                    for table in (FEEDBACK, EVENTS, QUALITY, QUALITY_VERSIONS)
                ]

        assert kept(3.99) == [2, 2, 1, 1]
        assert kept(4.01) == [1, 1, 1, 1], "what waits may still find its prediction"
        assert kept(11.01) == [0, 0, 1, 1]
        assert kept(20.01) == [0, 0, 0, 1]
        assert kept(22.01) == [0, 0, 0, 0]


def test_many_rows_go_some_at_a_time(database: str) -> None:
    with running(database) as monitor:
        monitor.put_reference()
        for number in range(2):
            logged = [{"request_id": f"r{number}-{n}", "at": NOON, "prediction": 0.5} for n in range(6000)]
            monitor.post(counted_post(number, NOON, *quiet(10), predictions=logged))
        monitor.fold()
        monitor.monitor.pruner.prune(NOON + 31 * DAY)
        assert _rows(monitor)["predictions"] == 0


def _references(monitor: Running) -> int:
    with monitor.monitor.store.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(REFERENCES)).scalar_one())


def test_a_reference_goes_some_days_after_the_last_window_that_was_counted_in_it(database: str) -> None:
    with running(database, window_days=5, prediction_days=5) as monitor:
        monitor.put_reference()
        monitor.put_reference(UNUSED, digest_of(UNUSED))
        monitor.post(counted_post(0, NOON, *quiet(10)))
        monitor.fold()

        def kept(days: float) -> int:
            monitor.monitor.pruner.prune(NOON + days * DAY)
            return _references(monitor)

        assert kept(4.9) == 2, "one is needed, and the other has just come"
        assert kept(6.9) == 2
        assert kept(7.1) == 1
        assert kept(11.8) == 1
        assert kept(11.95) == 0, "a week after it was last needed"


def test_a_reference_stays_as_long_as_labels_may_be_read_by_it(database: str) -> None:
    with running(database, window_days=5, prediction_days=30) as monitor:
        monitor.put_reference()
        log(monitor, 0, "r1", at=NOON)
        for days in (4.9, 20, 29.9):
            monitor.monitor.pruner.prune(NOON + days * DAY)
            assert _rows(monitor)["predictions"] == 1
            assert _references(monitor) == 1
        monitor.monitor.pruner.prune(NOON + 40 * DAY)
        assert (_rows(monitor)["predictions"], _references(monitor)) == (0, 0)


def test_a_version_that_comes_back_brings_its_reference_again_to_every_process(database: str) -> None:
    with running(database) as monitor:
        monitor.put_reference()
        assert monitor.post(counted_post(0, NOON, *quiet(10))).status_code == 200
        monitor.fold()
        # As another process does it, of which this one is told nothing.
        Pruner(monitor.monitor.store, monitor.monitor.settings).prune(NOON + 98 * DAY)
        assert _references(monitor) == 0
        monitor.time[0] = NOON + 98 * DAY
        assert monitor.post(counted_post(1, monitor.time[0], *quiet(10))).status_code == 428
        monitor.put_reference()
        assert monitor.post(counted_post(1, monitor.time[0], *quiet(10))).status_code == 200
        monitor.work(monitor.time[0] + 3700)
        assert monitor.get("drift")["reference"] == DIGEST


def _model(monitor: Running) -> ModelSettings | None:
    with monitor.monitor.store.reading() as connection:
        known = models.find(connection, CHURN)
        return None if known is None else models.settings(connection, [CHURN])[CHURN]


def test_keys_for_alerts_go_soon_after_a_model_and_the_model_after_its_reports(database: str) -> None:
    with running(database, report_days=20) as monitor:
        monitor.put_reference()
        watched = ModelSettings(window_seconds=900, alerts=ALERTS)
        monitor.client.put(settings_path(*CHURN), content=watched.model_dump_json())
        monitor.time[0] = NOON + 3 * DAY
        monitor.post(counted_post(0, monitor.time[0], *quiet(10)))
        monitor.fold()

        def kept(days: float) -> ModelSettings | None:
            monitor.monitor.pruner.prune(NOON + days * DAY)
            return _model(monitor)

        assert kept(9.9) == watched, "it has posted within the week"
        assert kept(10.1) == ModelSettings(window_seconds=900, alerts=AlertSettings(severity="critical"))
        assert kept(22.9) is not None
        assert kept(23.1) is None

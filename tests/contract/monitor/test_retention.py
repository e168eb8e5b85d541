"""What is kept has an age at which it goes, and nothing goes before."""

from __future__ import annotations

from sqlalchemy import func, select

from modelloop_core.wire.settings import ModelSettings, settings_path
from modelloop_monitor.store.outcome_schema import EVENTS, FEEDBACK, QUALITY, QUALITY_VERSIONS
from modelloop_monitor.store.schema import PREDICTIONS, REPORTS, SOURCES, TRAFFIC, WINDOWS
from support.monitors import NOON, Running, counted_post, quiet, running
from support.outcomes import follow, log, tell

DAY = 86_400.0


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

"""The monitor as a process: killed in mid-ingest it loses and repeats nothing; asked to stop it writes what waits."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import httpx
from prometheus_client import CollectorRegistry
from sqlalchemy import func, select

from modelloop_core.wire.environment import EXIT_PERMANENT
from modelloop_monitor.folding import Folder
from modelloop_monitor.metrics import Metrics
from modelloop_monitor.store.engine import Store
from modelloop_monitor.store.schema import WINDOWS
from support.monitor_process import MonitorProcess
from support.monitors import DIGEST, REFERENCE, example_post
from support.postgres_process import PostgresProcess
from support.predictor_process import eventually

_POSTS = 150
_ROWS = 3


class _Predictor(threading.Thread):
    """Posts its counts one after the other, each again until it is answered, as a predictor does."""

    def __init__(self, url: str, source: str) -> None:
        super().__init__(daemon=True)
        self._url, self._source = url, source
        self.done, self.refused = 0, ""

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=10) as client:
            for number in range(_POSTS):
                body = json.dumps(example_post(number, time.time(), _ROWS, source=self._source)).encode()
                while not self.refused and not self._sent(client, body):
                    time.sleep(0.02)
                self.done += 1

    def _sent(self, client: httpx.Client, body: bytes) -> bool:
        try:
            answer = client.post("/v1/profiles", content=body)
        except httpx.HTTPError:
            return False
        if answer.status_code not in (200, 503):
            self.refused = answer.text
        return answer.status_code == 200


def test_killed_in_mid_ingest_it_counts_everything_once(database: str) -> None:
    with MonitorProcess(database, fold_seconds=0.05) as monitor:
        monitor.until_ready()
        assert httpx.put(f"{monitor.url}/v1/references/{DIGEST}", content=REFERENCE).status_code == 204
        predictors = [_Predictor(monitor.url, f"pod-{number}") for number in range(3)]
        for predictor in predictors:
            predictor.start()
        for third in (1, 2):
            eventually(lambda t=third: predictors[0].done >= t * _POSTS // 3, "posts to be taken", monitor.describe)  # type: ignore[misc]
            monitor.kill()
            monitor.start()
        for predictor in predictors:
            predictor.join(60)
        assert [predictor.refused for predictor in predictors] == ["", "", ""]
        assert monitor.until_ready().terminate() == 0
    assert _rows(database) == 3 * _POSTS * _ROWS


def test_two_processes_on_one_postgresql_count_everything_once(postgres: PostgresProcess) -> None:
    database = postgres.database()
    with MonitorProcess(database, fold_seconds=0.03) as first, MonitorProcess(database, fold_seconds=0.03) as second:
        for monitor in (first, second):
            monitor.until_ready()
        assert httpx.put(f"{first.url}/v1/references/{DIGEST}", content=REFERENCE).status_code == 204
        predictors = [_Predictor(monitor.url, f"pod-{number}") for number, monitor in enumerate((first, second))]
        # What one of them took, the other knows: a retry may reach either.
        predictors.append(_Predictor(second.url, "pod-0"))
        for predictor in predictors:
            predictor.start()
        for predictor in predictors:
            predictor.join(60)
        assert [predictor.refused for predictor in predictors] == ["", "", ""]
        assert [monitor.terminate() for monitor in (first, second)] == [0, 0]
    assert _rows(database) == 2 * _POSTS * _ROWS


def test_asked_to_stop_it_ends_in_order(tmp_path: Path) -> None:
    with MonitorProcess(f"sqlite:///{tmp_path / 'm.db'}") as monitor:
        assert monitor.until_ready().terminate() == 0
        assert [event["event"] for event in monitor.events] == ["listening", "stopping", "stopped"]


def test_two_monitors_do_not_share_one_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'm.db'}"
    with MonitorProcess(url) as first:
        first.until_ready()
        with MonitorProcess(url) as second:
            assert second.process.wait(120) == 1
            eventually(lambda: second.named("store-unopened"), "the reason", second.describe)
            assert second.named("store-unopened")[0]["reason"] == "StoreTaken"


def test_a_bad_setting_is_named_and_ends_it_for_good(tmp_path: Path) -> None:
    with MonitorProcess("mysql://somewhere", fold_seconds="soon", token="  \n") as monitor:
        assert monitor.process.wait(120) == EXIT_PERMANENT
        eventually(lambda: monitor.named("bad-settings"), "the reason", monitor.describe)
        message = monitor.named("bad-settings")[0]["message"]
        assert "MODELLOOP_MONITOR_DATABASE: " in message
        assert "MODELLOOP_MONITOR_FOLD_SECONDS: " in message
        assert "MODELLOOP_MONITOR_TOKEN: " in message


def _rows(database: str) -> int:
    store = Store(database)
    store.open()
    Folder(store, Metrics(CollectorRegistry()), 60).fold(time.time())
    with store.reading() as connection:
        total = connection.execute(select(func.sum(WINDOWS.c.rows))).scalar_one()
    store.close()
    return int(total)

"""The database's tables are those of the schema on both kinds, and its failures are answered, never half-stored."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import func, select, text

from modelloop_monitor.sequences import Sequences
from modelloop_monitor.store import sources
from modelloop_monitor.store.engine import Store
from modelloop_monitor.store.errors import StoreError, StoreGone
from modelloop_monitor.store.schema import METADATA, SOURCES
from support.monitors import Running, example_post, running
from support.postgres_process import PostgresProcess
from support.predictor_process import eventually


def test_migrations_make_the_tables_that_the_code_speaks_of(database: str) -> None:
    store = Store(database)
    store.open()
    with store.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    store.close()


def test_opening_again_changes_nothing(database: str) -> None:
    for _ in range(2):
        store = Store(database)
        store.open()
        store.close()


def test_a_database_of_a_later_release_is_refused(database: str) -> None:
    store = Store(database)
    store.open()
    with store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    store.close()
    with pytest.raises(StoreError, match="another release"):
        Store(database).open()


def test_one_thread_of_one_process_does_a_work(database: str) -> None:
    first, second = Store(database), Store(database)
    first.open()
    with first.alone("fold") as here, first.alone("fold") as again:
        assert (here, again) == (True, False)
        with first.alone("prune") as other:
            assert other
        if second.is_postgresql:
            with second.alone("fold") as there:
                assert not there
    with first.alone("fold") as later:
        assert later
    first.close()
    second.close()


def test_two_processes_that_hear_of_a_source_at_the_same_moment_do_not_both_take_its_first_post(
    postgres: PostgresProcess,
) -> None:
    database = postgres.database()
    first, second = Store(database), Store(database)
    key, about = ("pod", "1"), {"namespace": "shop", "name": "churn", "clock_ahead": 0.0, "last_seen": 1.0}
    first.open()
    later: list[Sequences] = []

    def hear() -> None:
        with second.writing() as connection:
            later.append(sources.load(connection, {key: about})[key])

    def waits() -> bool:
        # A transaction sees the activity as it was when it first looked.
        with first.reading() as connection:
            found = connection.execute(text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))
            return bool(found.scalar())

    thread = threading.Thread(target=hear)
    with first.writing() as connection:
        before = sources.load(connection, {key: about})[key]
        thread.start()
        eventually(waits, "the other to wait", lambda: str(later))
        sources.save(connection, {key: before.with_number(0)}, {key: about})
    thread.join(20)
    assert (before.has(0), [state.has(0) for state in later]) == (False, [True])
    first.close()
    second.close()


def test_a_locked_database_is_busy_and_takes_the_post_later(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    with running(f"sqlite:///{path}", busy_seconds=0.1) as monitor:
        monitor.put_reference()
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        _assert_refused(monitor, "the database is busy")
        assert monitor.client.get("/readyz").status_code == 200
        other.execute("ROLLBACK")
        other.close()
        _assert_taken_once(monitor)


def test_a_full_database_says_so_and_takes_the_post_when_there_is_room(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'm.db'}"
    with running(url, database_max_bytes=1 << 20) as monitor:
        monitor.put_reference()
        logged = [{"request_id": f"r{n}", "at": 0, "prediction": "x" * 200} for n in range(20_000)]
        number = 0
        while (answer := monitor.post(example_post(number, predictions=logged, source="large"))).status_code == 200:
            number += 1
        assert (answer.status_code, answer.json()["reason"]) == (503, "StoreFailed")
        assert "no room" in answer.json()["detail"]
    with running(url) as monitor:
        assert monitor.post(example_post(number, source="large")).json() == {"applied": True}
        with monitor.monitor.store.reading() as connection:
            assert connection.execute(select(SOURCES.c.following)).scalar_one() == number + 1


def test_a_file_that_was_deleted_is_gone_and_nothing_is_answered_into_the_void(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    with running(f"sqlite:///{path}") as monitor:
        monitor.put_reference()
        assert monitor.client.get("/healthz").status_code == 200
        path.unlink()
        _assert_refused(monitor, "not the file any more")
        assert monitor.client.get("/healthz").status_code == 503


def test_a_postgresql_that_went_away_is_said_and_found_again() -> None:
    with PostgresProcess() as server, running(server.database()) as monitor:
        monitor.put_reference()
        server.stop()
        _assert_refused(monitor, "does not answer")
        assert monitor.client.get("/readyz").status_code == 503
        assert monitor.client.get("/healthz").status_code == 200
        server.start()
        _assert_taken_once(monitor)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreGone, match=r"file/m\.db"):
        Store(f"sqlite:///{tmp_path / 'file' / 'm.db'}").open()


def _assert_refused(monitor: Running, words: str) -> None:
    answer = monitor.post(example_post(0))
    assert (answer.status_code, answer.json()["reason"]) == (503, "StoreFailed")
    assert int(answer.headers["retry-after"]) > 0
    assert words in answer.json()["detail"]


def _assert_taken_once(monitor: Running) -> None:
    assert [monitor.post(example_post(0)).json()["applied"] for _ in range(2)] == [True, False]
    assert monitor.fold() == 1
    with monitor.monitor.store.reading() as connection:
        assert connection.execute(select(func.count()).select_from(SOURCES)).scalar_one() == 1

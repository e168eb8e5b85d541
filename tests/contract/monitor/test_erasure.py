"""An entity is erased wherever the monitor keeps rows about it, and nobody else is."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import Table, func, select

from modelloop_core.wire.erasure import erasures_path
from modelloop_core.wire.tokens import namespace_token
from modelloop_monitor.erasing import Eraser
from modelloop_monitor.store import erasures, outcomes
from modelloop_monitor.store.outcome_schema import EVENTS, FEEDBACK
from modelloop_monitor.store.schema import INBOX, PREDICTIONS
from support.monitors import NOON, Running, example_post, running
from support.outcomes import follow, log_rows, tell

PATH = erasures_path("shop", "churn")


def _about(entity: str | None, *request_ids: str) -> list[dict[str, Any]]:
    return [{"request_id": name, "entity": entity, "at": NOON - 60, "prediction": 0.75} for name in request_ids]


def _erase(monitor: Running, entity: Any, status: int = 200, path: str = PATH, **headers: str) -> Any:
    answer = monitor.client.post(path, json={"entity": entity}, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


def _ids(monitor: Running, table: Table) -> set[str]:
    with monitor.monitor.store.reading() as connection:
        return set(connection.execute(select(table.c.request_id)).scalars())


def test_predictions_labels_and_events_about_an_entity_go_and_no_others(database: str) -> None:
    with running(database) as monitor:
        monitor.put_reference()
        log_rows(monitor, 0, [*_about("ann", "a1", "a2"), *_about("bob", "b1"), *_about(None, "n1")], at=NOON - 60)
        log_rows(monitor, 0, _about("ann", "x1"), at=NOON - 60, name="other", source="other-pod")
        tell(monitor, ("a1", 1), ("b1", 0), ("n1", 1))
        follow(monitor, {"request_id": "a2", "name": "click"}, {"request_id": "b1", "name": "click"})
        assert _erase(monitor, "ann") == {"predictions": 2, "feedback": 1, "events": 1}
        assert _ids(monitor, PREDICTIONS) == {"b1", "n1", "x1"}
        assert _ids(monitor, FEEDBACK) == {"b1", "n1"}
        assert _ids(monitor, EVENTS) == {"b1"}
        assert _erase(monitor, "ann") == {"predictions": 0, "feedback": 0, "events": 0}


def test_what_was_answered_and_waits_to_be_folded_is_reached(database: str) -> None:
    with running(database) as monitor:
        monitor.put_reference()
        monitor.post(example_post(0, NOON, predictions=_about("ann", "a1")))
        assert _erase(monitor, "ann")["predictions"] == 1
        monitor.fold()
        assert _ids(monitor, PREDICTIONS) == set()


def test_labels_that_wait_go_with_the_prediction_that_they_would_find(database: str) -> None:
    with running(database) as monitor:
        monitor.put_reference()
        tell(monitor, ("a1", 1), ("elsewhere", 1))
        log_rows(monitor, 0, _about("ann", "a1"), at=NOON - 60)
        assert _erase(monitor, "ann")["feedback"] == 1
        assert _ids(monitor, FEEDBACK) == {"elsewhere"}


def test_labels_whose_prediction_is_gone_already_go_by_themselves(database: str) -> None:
    with running(database) as monitor:
        monitor.put_reference()
        log_rows(monitor, 0, _about("ann", "a1"), at=NOON - 60)
        tell(monitor, ("a1", 1))
        with monitor.monitor.store.writing() as connection:
            connection.execute(PREDICTIONS.delete())
        assert _erase(monitor, "ann") == {"predictions": 0, "feedback": 1, "events": 0}


def test_more_rows_than_one_statement_takes(database: str) -> None:
    with running(database) as monitor:
        monitor.put_reference()
        count = 2 * erasures.MOST + 1
        log_rows(monitor, 0, _about("ann", *(f"a{place}" for place in range(count))), at=NOON - 60)
        assert _erase(monitor, "ann")["predictions"] == count


def test_while_others_fold_it_asks_to_try_again_and_touches_nothing(database: str) -> None:
    with running(database) as monitor:
        monitor.put_reference()
        monitor.post(example_post(0, NOON, predictions=_about("ann", "a1")))
        with monitor.monitor.store.alone("fold") as alone:
            assert alone
            answer = monitor.client.post(PATH, json={"entity": "ann"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert _erase(monitor, "ann")["predictions"] == 1


def test_nothing_is_folded_while_it_erases(database: str) -> None:
    with running(database) as monitor:
        monitor.put_reference()
        monitor.post(example_post(0, NOON, predictions=_about("ann", "a1")))
        with monitor.monitor.folder.emptied(NOON) as emptied:
            assert emptied
            monitor.post(example_post(1, NOON, predictions=_about("ann", "a2")))
            assert monitor.fold() == 0
        assert monitor.fold() == 1


def test_a_label_that_is_being_joined_does_not_outlive_its_prediction(database: str) -> None:
    with running(database) as monitor:
        monitor.put_reference()
        log_rows(monitor, 0, _about("ann", "a1"), at=NOON - 60)
        store = monitor.monitor.store
        erased: list[Any] = []

        def erase() -> None:
            erased.append(Eraser(store, monitor.monitor.folder).erase(("shop", "churn"), "ann", NOON))

        with store.writing() as connection:
            assert outcomes.logged(connection, ("shop", "churn"), ["a1"])
            erasing = threading.Thread(target=erase)
            erasing.start()
            erasing.join(0.5)
            label = {"namespace": "shop", "name": "churn", "request_id": "a1", "row": 0, "label": "1", "told": NOON}
            joined = {"received": NOON, "entity": "ann", "version": "1.0.0", "predicted": NOON, "prediction": "0.75"}
            connection.execute(FEEDBACK.insert().values({**label, **joined}))
        erasing.join(20)
        assert (erased[0].predictions, erased[0].feedback) == (1, 1)
        assert _ids(monitor, FEEDBACK) == set()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="nobody"),
        pytest.param({"entity": ""}, id="an empty name"),
        pytest.param({"entity": 4711}, id="a number, which requests name as text"),
        pytest.param({"entity": "a" * 257}, id="longer than any that was logged"),
        pytest.param({"entity": "a\0b"}, id="what no database keeps"),
        pytest.param({"entity": "ann", "before": "2026-01-01"}, id="more than is obeyed"),
    ],
)
def test_what_names_nobody_is_refused(tmp_path: Any, body: dict[str, Any]) -> None:
    with running(f"sqlite:///{tmp_path / 'm.db'}") as monitor:
        answer = monitor.client.post(PATH, json=body)
        assert answer.status_code == 422, answer.text
        assert answer.json()["reason"] == "InvalidRequest"


def test_only_who_may_write_in_the_namespace_may_erase(tmp_path: Any) -> None:
    with running(f"sqlite:///{tmp_path / 'm.db'}", token="s3cret\n", user_header="x-user") as monitor:
        _erase(monitor, "ann", 401)
        _erase(monitor, "ann", 403, **{"x-user": "somebody who reads"})
        _erase(monitor, "ann", 403, authorization=f"Bearer {namespace_token('s3cret', 'bank')}")
        _erase(monitor, "ann", authorization=f"Bearer {namespace_token('s3cret', 'shop')}")
        _erase(monitor, "ann", authorization="Bearer s3cret")


def test_sqlite_keeps_no_trace_of_them_in_its_file(tmp_path: Any) -> None:
    file = tmp_path / "m.db"
    with running(f"sqlite:///{file}") as monitor:
        monitor.put_reference()
        log_rows(monitor, 0, _about("ann-of-nowhere", "a1"), at=NOON - 60)
        with monitor.monitor.store.reading() as connection:
            assert not connection.execute(select(func.count()).select_from(INBOX)).scalar()
        _erase(monitor, "ann-of-nowhere")
    assert b"ann-of-nowhere" not in file.read_bytes()

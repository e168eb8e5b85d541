"""Labels and events on both databases: joined by request id, whichever comes first, told by index, and never twice."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from modelloop_core.drift.reference import build_reference, digest_of
from modelloop_core.feature_schema import MulticlassOutput
from modelloop_core.wire.feedback import EVENTS_PATH, FEEDBACK_PATH, MOST_UNNAMED, PARQUET_TYPE
from modelloop_core.wire.tokens import namespace_token
from modelloop_monitor.outcomes.parquet import MOST_ROWS
from support.monitors import NOON, SIGNATURE, Running, running
from support.outcomes import OWN, follow, log, log_rows, quality_of, tell, told


@pytest.fixture
def monitor(database: str) -> Iterator[Running]:
    with running(database) as found:
        assert found.put_reference().status_code == 204
        yield found


def _receipt(joined: int = 0, waiting: int = 0, already: int = 0, **rest: Any) -> dict[str, Any]:
    return {"joined": joined, "waiting": waiting, "already": already, "unknown": [], "refused": {}, **rest}


def test_a_label_is_joined_to_its_prediction(monitor: Running) -> None:
    log(monitor, 0, "r1", "r2")

    assert tell(monitor, ("r1", 1)) == _receipt(joined=1)

    [report] = quality_of(monitor)["reports"]
    assert (report["predictions"], report["labelled"]) == (2, 1)
    assert report["metrics"]["accuracy"]["value"] == 1.0


def test_the_same_label_again_changes_nothing(monitor: Running) -> None:
    log(monitor, 0, "r1")
    tell(monitor, ("r1", 1))

    assert tell(monitor, ("r1", 1), ("r1", True), ("r1", 1.0)) == _receipt(already=3)

    assert quality_of(monitor)["reports"][0]["labelled"] == 1


def test_a_contradicting_label_is_refused_and_the_first_is_kept(monitor: Running) -> None:
    log(monitor, 0, "r1", "r2")
    tell(monitor, ("r1", 1))

    answer = tell(monitor, ("r2", 1), ("r1", 0))

    reason = "this row has the label 1.0, which was told first and is kept, not 0.0"
    assert answer == _receipt(joined=1, refused={"1": reason})
    assert quality_of(monitor)["reports"][0]["metrics"]["accuracy"]["value"] == 1.0


def test_labels_that_contradict_within_one_post_are_told(monitor: Running) -> None:
    log(monitor, 0, "r1")

    answer = tell(monitor, ("r1", 1), ("r1", 1), ("r1", 0))

    assert (answer["joined"], answer["already"], list(answer["refused"])) == (1, 1, ["2"])


def test_a_label_of_the_wrong_type_is_told_by_index_and_the_others_are_kept(monitor: Running) -> None:
    log(monitor, 0, "r1", "r2", "r3")

    answer = tell(monitor, ("r1", 1), ("r2", "yes"), ("r3", 0.5))

    assert answer["joined"] == 1
    assert answer["refused"] == {
        "1": "a label of a binary model is 0, 1, true or false, not 'yes'",
        "2": "a label of a binary model is 0, 1, true or false, not 0.5",
    }


def test_a_label_that_is_none_at_all_refuses_the_post_and_says_where(monitor: Running) -> None:
    log(monitor, 0, "r1", "r2")

    answer = tell(monitor, ("r1", 1), ("r2", None), status=422)

    assert answer["reason"] == "InvalidRequest"
    assert answer["errors"][0]["field"].startswith("feedback.1.label")
    assert quality_of(monitor)["reports"] == [], "nothing was kept"


def test_a_label_that_comes_before_its_prediction_waits_for_it(monitor: Running) -> None:
    assert tell(monitor, ("r0", 1), ("r1", 1), ("r2", 1)) == _receipt(waiting=3, unknown=[0, 1, 2])
    assert tell(monitor, ("r1", 1)) == _receipt(already=1)
    log(monitor, 0, "r1", "r2")

    monitor.time[0] = NOON + 3
    assert monitor.monitor.joiner.join(monitor.time[0]) == 2

    found = quality_of(monitor)
    assert (found["reports"][0]["labelled"], found["waiting"]) == (2, 1)


def test_what_waits_is_looked_for_ever_more_rarely(monitor: Running) -> None:
    tell(monitor, ("r1", 1))
    log(monitor, 0, "other")
    joiner = monitor.monitor.joiner
    for after in (3, 7):
        assert joiner.join(NOON + after) == 0
    log(monitor, 1, "r1")

    assert joiner.join(NOON + 13.9) == 0, "it had waited 7 s, and waits as long again"
    assert joiner.join(NOON + 14) == 1


def test_a_label_that_waited_and_is_of_the_wrong_type_is_counted_and_left_out(monitor: Running) -> None:
    tell(monitor, ("r1", "yes"), ("r2", 1))
    log(monitor, 0, "r1", "r2")
    monitor.monitor.joiner.join(NOON + 3)

    [report] = quality_of(monitor)["reports"]

    assert (report["labelled"], report["left_out"]) == (2, 1)
    assert report["metrics"]["accuracy"]["value"] == 1.0


def test_rows_of_one_request_have_labels_of_their_own(monitor: Running) -> None:
    log(monitor, 0, "r1", rows=2)
    rows = [{"request_id": "r1", "row": row, "label": row} for row in (0, 1, 5)]

    answer = told(monitor, {**OWN, "feedback": rows})

    assert answer["joined"] == 2
    assert answer["refused"] == {"2": "request 'r1' was logged with row 0, 1, and not with row 5"}


def test_a_single_label_needs_no_model_where_its_request_is_known(monitor: Running) -> None:
    log(monitor, 0, "r1")

    assert told(monitor, {"request_id": "r1", "label": 1}) == _receipt(joined=1)
    assert told(monitor, {"request_id": "r1", "label": 1, **OWN}) == _receipt(already=1)


def test_a_label_without_model_of_an_unknown_request_is_refused_and_says_what_to_do(monitor: Running) -> None:
    answer = told(monitor, {"feedback": [{"request_id": "r1", "label": 1}]})

    reason = "request 'r1' is not known; with namespace and name of its model it can wait for it"
    assert answer == _receipt(refused={"0": reason})


def test_a_label_without_model_of_a_request_of_two_models_is_refused(monitor: Running) -> None:
    log(monitor, 0, "r1")
    log(monitor, 1, "r1", name="lead")

    answer = told(monitor, {"request_id": "r1", "label": 1})

    assert answer["refused"] == {"0": "request 'r1' is known of shop/churn, shop/lead: say namespace and name"}


def test_many_labels_at_once_need_their_model(monitor: Running) -> None:
    feedback = [{"request_id": f"r{place}", "label": 1} for place in range(MOST_UNNAMED + 1)]

    answer = told(monitor, {"feedback": feedback}, status=422)

    assert "need namespace and name" in answer["detail"]


def test_half_a_model_is_refused(monitor: Running) -> None:
    assert "given together" in told(monitor, {"namespace": "shop", "request_id": "r", "label": 1}, status=422)["detail"]


def test_labels_stay_when_their_predictions_are_forgotten(monitor: Running) -> None:
    log(monitor, 0, "r1")
    tell(monitor, ("r1", 1))
    with monitor.monitor.store.writing() as connection:
        connection.exec_driver_sql("DELETE FROM predictions")

    [report] = quality_of(monitor)["reports"]

    assert (report["predictions"], report["labelled"]) == (1, 1)


def test_labels_of_several_classes_are_their_names(database: str) -> None:
    output = MulticlassOutput(classes=("cat", "dog"))
    signature = SIGNATURE.model_copy(update={"output": output})
    reference = build_reference(signature, np.zeros((50, 2)), np.tile([[0.2, 0.8]], (50, 1)))
    digest = digest_of(reference.to_json())
    rows = [{"request_id": f"r{place}", "at": NOON - 60, "prediction": "dog"} for place in range(2)]
    with running(database) as monitor:
        assert monitor.put_reference(reference.to_json(), digest).status_code == 204
        log_rows(monitor, 0, rows, NOON - 60, reference=digest, features={}, outputs={})

        answer = tell(monitor, ("r0", "cat"), ("r1", "cow"))

        assert answer["joined"] == 1
        assert answer["refused"] == {"1": "a label of this model is one of its 2 classes (cat, dog), not 'cow'"}
        assert quality_of(monitor)["reports"][0]["metrics"]["accuracy"]["value"] == 0.0


def _parquet(**columns: Any) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(pa.table(columns), sink, compression="zstd")
    return sink.getvalue()


_TOO_MANY = _parquet(request_id=["a"] * (MOST_ROWS + 1), label=[1] * (MOST_ROWS + 1))


def _upload(monitor: Running, body: bytes, status: int = 200, **query: str) -> Any:
    headers = {"content-type": PARQUET_TYPE}
    answer = monitor.client.post(FEEDBACK_PATH, content=body, headers=headers, params=query or OWN)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_parquet_file_of_labels_is_kept_like_any(monitor: Running) -> None:
    log(monitor, 0, "r1", "r2")

    body = _parquet(request_id=["r1", "r2", "r3"], label=[1, 0, 1], at=pa.array([int(NOON)] * 3, pa.timestamp("s")))

    assert _upload(monitor, body) == _receipt(joined=2, waiting=1, unknown=[2])
    assert _upload(monitor, body) == _receipt(already=3)
    [feedback] = quality_of(monitor)["feedback"]
    assert feedback["latency_median"] == 60.0


def _repeated(label: Any) -> bytes:
    """A file of kilobytes in which each of many rows has the same large label."""
    rows = MOST_ROWS
    same = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([label]))
    return _parquet(request_id=[f"r{place}" for place in range(rows)], label=same)


@pytest.mark.parametrize(
    ("body", "said", "status"),
    [
        pytest.param(_repeated("x" * 20_000), "column 'label' has a text of 20000 bytes", 422, id="a text in each row"),
        pytest.param(
            _parquet(request_id=[f"r{place}" for place in range(1000)], label=[[1] * 10_000] * 1000),
            "column 'label' is of the type list<element: int64>",
            422,
            id="a list in each row",
        ),
        pytest.param(
            _parquet(request_id=["r1"] * 1000, label=[{"a": "x" * 20_000}] * 1000),
            "column 'label' is of the type struct<a: string>",
            422,
            id="a text in an object in each row",
        ),
        pytest.param(
            _parquet(request_id=["r1"] * MOST_ROWS, label=[{f"a{place}": 1.0 for place in range(100)}] * MOST_ROWS),
            "5050000 values",
            413,
            id="an object of very many numbers",
        ),
        pytest.param(_parquet(request_id=["r1"], label=["x" * (65 << 20)]), "unpacks to", 413, id="one endless text"),
    ],
)
def test_a_small_file_that_is_a_large_one_is_refused_before_it_is_unpacked(
    monitor: Running, body: bytes, said: str, status: int
) -> None:
    assert len(body) < 1 << 20
    answer = monitor.client.post(FEEDBACK_PATH, params=OWN, content=body, headers={"content-type": PARQUET_TYPE})
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text


@pytest.mark.parametrize(
    ("body", "said", "status"),
    [
        pytest.param(b"PAR1 no", "no Parquet file", 400, id="no Parquet"),
        pytest.param(_parquet(request_id=["a"]), "no column label", 422, id="no labels"),
        pytest.param(_parquet(request_id=["a"], label=[1], wrong=[1]), "not ['wrong']", 422, id="a column too many"),
        pytest.param(
            _parquet(request_id=["a", "b"], label=[1, None]), "row 1.label", 422, id="a label that is missing"
        ),
        pytest.param(_parquet(request_id=["a"], label=[float("nan")]), "row 0.label", 422, id="no number"),
        pytest.param(_parquet(request_id=pa.array([], pa.string()), label=[]), "no rows", 422, id="no rows"),
        pytest.param(_TOO_MANY, "may have 50000 rows", 413, id="too many"),
    ],
)
def test_a_file_that_holds_no_labels_is_refused(monitor: Running, body: bytes, said: str, status: int) -> None:
    assert said in _upload(monitor, body, status)["detail"]


def test_another_type_of_body_is_refused(monitor: Running) -> None:
    answer = monitor.client.post(FEEDBACK_PATH, content=b"a,b", headers={"content-type": "text/csv"})

    assert (answer.status_code, answer.json()["reason"]) == (415, "WrongContentType")


CLICK = {"request_id": "r1", "name": "click"}
ORDER = {"request_id": "r1", "name": "order", "value": 20.0, "id": "a"}


def test_events_are_joined_and_counted_once(monitor: Running) -> None:
    log(monitor, 0, "r1", "r2", rows=2)

    assert follow(monitor, CLICK, CLICK, ORDER, {**ORDER, "id": "b"}) == _receipt(joined=3, already=1)
    assert follow(monitor, CLICK, ORDER) == _receipt(already=2)

    business = quality_of(monitor)["reports"][0]["business"]
    assert (business["click"]["kind"], business["click"]["requests"], business["click"]["rate"]["value"]) == (
        "rate",
        2,
        0.5,
    )
    assert (business["order"]["kind"], business["order"]["total"]["value"]) == ("sum", 40.0)


def test_an_event_with_another_value_is_refused(monitor: Running) -> None:
    log(monitor, 0, "r1")
    follow(monitor, ORDER)

    answer = follow(monitor, {**ORDER, "value": 30.0})

    assert answer["refused"] == {
        "0": "event 'order' of this request has the value 20, not 30.0; several of one name need an id each"
    }


def test_an_event_waits_for_its_request_and_may_come_alone(monitor: Running) -> None:
    single = {"request_id": "r1", "name": "click", "namespace": "shop", "model": "churn"}
    assert told(monitor, single, path=EVENTS_PATH) == _receipt(waiting=1, unknown=[0])
    log(monitor, 0, "r1")
    monitor.monitor.joiner.join(NOON + 3)

    assert quality_of(monitor)["reports"][0]["business"]["click"]["rate"]["value"] == 1.0


@pytest.mark.parametrize(
    "event",
    [
        pytest.param({**CLICK, "name": "Click Through"}, id="a name with a space"),
        pytest.param({**CLICK, "value": "much"}, id="a word for a value"),
        pytest.param({"name": "click"}, id="no request"),
        pytest.param({**CLICK, "colour": "red"}, id="a field too many"),
    ],
)
def test_an_event_that_is_none_is_refused(monitor: Running, event: dict[str, Any]) -> None:
    assert follow(monitor, event, status=422)["reason"] == "InvalidRequest"


def test_a_caller_of_another_namespace_learns_nothing(database: str) -> None:
    whole = {"authorization": "Bearer secret"}
    other = {"authorization": f"Bearer {namespace_token('secret', 'bank')}"}
    with running(database, token="secret") as monitor:
        monitor.client.headers = whole
        monitor.put_reference()
        log(monitor, 0, "r1")
        monitor.client.headers = other
        single = {"request_id": "r1", "label": 1}

        assert told(monitor, {**single, **OWN}, status=403)["reason"] == "Forbidden"
        assert "is not known" in told(monitor, single)["refused"]["0"]
        assert monitor.client.get("/v1/models/shop/churn/quality").status_code == 403
        monitor.client.headers = {}
        assert told(monitor, single, status=401)["reason"] == "Unauthorized"


def test_the_same_labels_from_many_at_once_are_kept_once(monitor: Running) -> None:
    ids = [f"r{place}" for place in range(40)]
    log(monitor, 0, *ids)

    def post(number: int) -> Any:
        # In another order each, so that they meet in the middle; half of them contradict the others.
        feedback = [{"request_id": name, "label": number % 2} for name in (ids if number < 4 else reversed(ids))]
        for _ in range(50):
            answer = monitor.client.post(FEEDBACK_PATH, json={**OWN, "feedback": feedback})
            if answer.status_code != 503:
                break
        assert answer.status_code == 200, answer.text
        return answer.json()

    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(post, range(8)))

    assert sum(receipt["joined"] for receipt in receipts) == 40
    told = [sum(receipt[word] for receipt in receipts) for word in ("joined", "waiting", "already")]
    assert sum(told) + sum(len(receipt["refused"]) for receipt in receipts) == 8 * 40
    assert quality_of(monitor)["reports"][0]["labelled"] == 40

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from modelloop_core.inference import Float64s, OutOfMemory
from modelloop_predictor.model_thread import ModelThread
from support import model_files
from support.open_inference import INFER, tensor
from support.predictor_inside import Predictor, Start, never_ending, settings_for
from support.published import A_VALUE
from support.replaced_model import hanging, replace_model

PERSON = {"features": [31, 2500, True, "north", "phone"]}
JSON = {"content-type": "application/json"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def _problem(answer: Any, status: int, reason: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-model-version"] == "v1.2.3"
    document: dict[str, Any] = answer.json()
    assert (document["status"], document["reason"]) == (status, reason)
    assert document["instance"] == f"urn:modelloop:request:{answer.headers['x-request-id']}"
    assert "Traceback" not in answer.text
    return document


def test_every_answer_names_version_and_request(people: Predictor) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/model", "/docs", "/openapi.json", "/nowhere"):
        headers = people.ask("GET", path, headers={"traceparent": TRACE}).headers
        assert headers["x-model-version"] == "v1.2.3"
        assert len(headers["x-request-id"]) == 32
        assert headers["traceparent"] == TRACE


@pytest.mark.parametrize(
    ("body_id", "header_id", "answered"),
    [
        pytest.param("from-body", "from-header", "from-body", id="the body's id wins"),
        pytest.param(None, "from-header", "from-header", id="else the header's"),
    ],
)
def test_the_request_id_is_kept(people: Predictor, body_id: str | None, header_id: str, answered: str) -> None:
    answer = people.predict({**PERSON, "request_id": body_id}, **{"x-request-id": header_id})
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == answered


@pytest.mark.parametrize("header_id", ["", "a b", "x" * 200, "\u00e9"])
def test_an_id_that_no_log_could_hold_is_replaced(people: Predictor, header_id: str) -> None:
    answer = people.ask("POST", "/predict", json=PERSON, headers={"x-request-id": header_id.encode("latin-1")})
    assert len(answer.json()["request_id"]) == 32


def test_an_error_keeps_the_id_of_the_body(people: Predictor) -> None:
    _problem(people.predict({"features": [], "request_id": "mine"}), 422, "InvalidRequest")
    assert people.predict({"features": [], "request_id": "mine"}).headers["x-request-id"] == "mine"


_TRACE_ID, _SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "trace",
    [
        pytest.param("", id="empty"),
        pytest.param("nonsense", id="no numbers"),
        pytest.param("00-zz-zz-00", id="not hexadecimal"),
        pytest.param(f"ff-{_TRACE_ID}-{_SPAN_ID}-01", id="the version that is none"),
        pytest.param(f"00-{'0' * 32}-{_SPAN_ID}-01", id="a trace of zeros"),
        pytest.param(f"00-{_TRACE_ID}-{'0' * 16}-01", id="a span of zeros"),
        pytest.param(f"00-{_TRACE_ID}-{_SPAN_ID}-01-more", id="more than version 00 has"),
        pytest.param(f"00-{_TRACE_ID.upper()}-{_SPAN_ID}-01", id="capital letters"),
    ],
)
def test_a_malformed_trace_is_not_passed_on(people: Predictor, trace: str) -> None:
    assert "traceparent" not in people.predict(PERSON, traceparent=trace).headers


def test_a_trace_of_a_later_version_is_passed_on(people: Predictor) -> None:
    trace = f"01-{_TRACE_ID}-{_SPAN_ID}-01-what-we-do-not-know"
    assert people.predict(PERSON, traceparent=trace).headers["traceparent"] == trace


@pytest.mark.parametrize("path", ["/debug", "/debug/", "/debug/pprof", "/debug/pprof/heap", "/v2/debug"])
def test_there_is_no_door_for_debugging(people: Predictor, path: str) -> None:
    assert people.ask("GET", path).status_code == 404
    assert people.ask("POST", path).status_code in (404, 405)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"content-type": "application/json"}, 200, id="json"),
        pytest.param({"content-type": "Application/JSON; charset=UTF-8"}, 200, id="json in utf-8"),
        pytest.param({"content-type": "application/vnd.example+json"}, 200, id="a kind of json"),
        pytest.param({}, 200, id="undeclared"),
        pytest.param({"content-type": "text/plain"}, 415, id="text"),
        pytest.param({"content-type": "application/x-www-form-urlencoded"}, 415, id="a form, as curl -d declares"),
        pytest.param({"content-type": "application/json; charset=latin-1"}, 415, id="another charset"),
        pytest.param({"content-type": "application/json", "content-encoding": "gzip"}, 415, id="compressed"),
    ],
)
def test_only_json_is_read(people: Predictor, headers: dict[str, str], status: int) -> None:
    answer = people.ask("POST", "/predict", content=json.dumps(PERSON), headers=headers)
    assert answer.status_code == status, answer.text
    if status == 415:
        _problem(answer, 415, "WrongContentType")


@pytest.mark.parametrize(
    ("method", "path", "allowed"), [("GET", "/predict", "POST"), ("PUT", "/predict", "POST"), ("POST", "/model", "GET")]
)
def test_another_method_is_told_which_to_use(people: Predictor, method: str, path: str, allowed: str) -> None:
    answer = people.ask(method, path)
    assert allowed in _problem(answer, 405, "WrongMethod")["detail"]
    assert answer.headers["allow"] == allowed


def test_an_unknown_page_is_a_problem(people: Predictor) -> None:
    assert "/docs" in _problem(people.ask("GET", "/v3/what"), 404, "NotFound")["detail"]


def test_a_body_up_to_the_bound_is_read(started: Start) -> None:
    predictor = started(model_files.Logistic(), max_body_bytes=100)
    body = json.dumps({"features": [1, 2]}).ljust(100)
    assert predictor.ask("POST", "/predict", content=body, headers=JSON).status_code == 200
    _problem(predictor.ask("POST", "/predict", content=body + " ", headers=JSON), 413, "BodyTooLarge")


def test_a_body_without_a_length_is_bounded_too(started: Start) -> None:
    predictor = started(model_files.Logistic(), max_body_bytes=100)

    async def blocks() -> Any:
        for _ in range(11):
            yield b" " * 10

    _problem(predictor.ask("POST", "/predict", content=blocks(), headers=JSON), 413, "BodyTooLarge")


@pytest.mark.parametrize(
    ("path", "document"),
    [
        pytest.param("/predict", {"features": [1, 2]}, id="predict"),
        pytest.param(INFER, {"inputs": [tensor("features", "FP32", [1, 2], [1, 2])]}, id="V2"),
    ],
)
def test_a_body_counts_for_as_long_as_its_request_waits(started: Start, path: str, document: dict[str, Any]) -> None:
    predictor = started(model_files.Logistic(), max_body_bytes=100_000, timeout_seconds=0.2)
    body = json.dumps(document).ljust(100_000)
    with hanging(predictor):
        answers = predictor.ask_all([("POST", path, {"content": body, "headers": JSON})] * 10)
    assert sorted(answer.json()["reason"] for answer in answers) == ["DeadlineExceeded"] * 6 + ["Overloaded"] * 4
    replace_model(predictor, lambda rows: np.zeros(len(rows)))
    assert predictor.ask("POST", path, content=body, headers=JSON).status_code == 200


def test_bodies_that_take_too_much_together_are_refused_until_others_are_gone(started: Start) -> None:
    predictor = started(model_files.Logistic(), max_body_bytes=100_000, read_seconds=0.05)
    budget, body = predictor.serving.bodies, json.dumps({"features": [1, 2]}).ljust(100_000)
    taken = [budget.grow(0, 100_000) for _ in range(6)]
    answer = predictor.ask("POST", "/predict", content=body, headers=JSON)
    _problem(answer, 503, "Overloaded")
    assert int(answer.headers["retry-after"]) > 0

    async def small() -> Any:
        yield json.dumps({"features": [1, 2]}).encode()

    assert predictor.ask("POST", "/predict", content=small(), headers=JSON).status_code == 200
    budget.give_back(taken[0])
    for _ in range(3):
        assert predictor.ask("POST", "/predict", content=body, headers=JSON).status_code == 200
    _problem(predictor.ask("POST", "/predict", content=never_ending(), headers=JSON), 408, "RequestTimeout")
    assert predictor.ask("POST", "/predict", content=body, headers=JSON).status_code == 200


@pytest.mark.parametrize("row", ["[1,2]", "[]", '{"first":1}', "null"])
def test_more_rows_than_the_bound_are_refused_whatever_they_are(started: Start, row: str) -> None:
    body = f'{{"instances":[{",".join([row] * 10_001)}]}}'
    answer = started(model_files.Logistic()).ask("POST", "/predict", content=body, headers=JSON)
    assert "10000 rows, this one has 10001" in _problem(answer, 413, "TooManyRows")["detail"]


def test_a_body_that_stalls_is_timed_out(started: Start) -> None:
    predictor = started(model_files.Logistic(), read_seconds=0.05)
    answer = predictor.ask("POST", "/predict", content=never_ending(), headers=JSON)
    _problem(answer, 408, "RequestTimeout")
    assert answer.headers["connection"] == "close"


def test_a_model_that_raises_is_a_problem_without_its_words(started: Start) -> None:
    predictor = started(model_files.RaisesAboveHundred())
    answer = predictor.predict({"features": [101, 0]})
    assert "does not like" not in _problem(answer, 500, "ModelFailed")["detail"]
    assert predictor.predict({"features": [99, 0]}).status_code == 200


def test_a_model_that_answers_nan_is_a_problem(started: Start) -> None:
    predictor = started(model_files.NaNAboveHundred())
    assert "not finite" in _problem(predictor.predict({"features": [101, 0]}), 500, "BadOutput")["detail"]
    many = predictor.predict({"instances": [[0, 0], [101, 0]]})
    assert "row 1" in _problem(many, 500, "BadOutput")["detail"]


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        pytest.param(OutOfMemory("gone"), 503, "OutOfMemory", id="memory"),
        pytest.param(ZeroDivisionError("ours"), 500, "InternalError", id="a bug of ours"),
    ],
)
def test_an_unforeseen_error_is_a_problem(started: Start, error: Exception, status: int, reason: str) -> None:
    predictor = started(model_files.Logistic())

    def fail(rows: Float64s) -> Float64s:
        raise error

    replace_model(predictor, fail)
    assert "ours" not in _problem(predictor.predict({"features": [1, 2]}), status, reason)["detail"]


def test_a_hung_model_is_a_deadline_exceeded_and_the_probes_answer(started: Start) -> None:
    predictor = started(model_files.Logistic(), timeout_seconds=0.05)
    with hanging(predictor):
        assert "0.05 s" in _problem(predictor.predict({"features": [1, 2]}), 504, "DeadlineExceeded")["detail"]
        assert predictor.ask("GET", "/healthz").status_code == 200
        assert predictor.ask("GET", "/readyz").status_code == 200


def test_a_request_that_nobody_waits_for_is_never_run(started: Start) -> None:
    predictor = started(model_files.Logistic(), timeout_seconds=0.05)
    with hanging(predictor) as entered:
        predictor.predict({"features": [1, 2]})
        predictor.predict({"features": [3, 4]})
        ran: list[int] = []

        def count(rows: Float64s) -> Float64s:
            ran.append(len(rows))
            return np.zeros(len(rows))

        replace_model(predictor, count)
    assert predictor.ask("POST", "/predict", json={"instances": [[1, 2]] * 3}).status_code == 200
    assert (entered, ran) == ([1.0], [3])


def test_a_model_that_hangs_for_many_deadlines_ends_readiness_and_liveness(tmp_path: Any, started: Start) -> None:
    seen = started(model_files.Logistic()).serving.version
    assert seen is not None
    now = [0.0]
    thread = ModelThread(clock=lambda: now[0])
    with Predictor(settings_for(tmp_path, timeout_seconds=1), thread) as predictor:
        predictor.serving.install(seen)
        with hanging(predictor):
            now[0] = 100.0
            predictor.predict({"features": [1, 2]})
            now[0] = 105.0
            assert predictor.ask("GET", "/healthz").status_code == 200
            now[0] = 105.1
            assert "ModelStuck" in _problem(predictor.ask("GET", "/readyz"), 503, "NotReady")["detail"]
            assert "ModelStuck" in _problem(predictor.ask("GET", "/healthz"), 503, "NotReady")["detail"]
            assert "not returned" in _problem(predictor.predict({"features": [1, 2]}), 503, "ModelStuck")["detail"]


def test_a_full_queue_is_told_to_come_again(started: Start) -> None:
    predictor = started(model_files.Logistic(), max_queue=2, timeout_seconds=0.2)
    with hanging(predictor):
        answers = predictor.ask_all([("POST", "/predict", {"json": {"features": [1, 2]}})] * 5)
    assert sorted(answer.status_code for answer in answers) == [503, 503, 503, 504, 504]
    full = next(answer for answer in answers if answer.status_code == 503)
    _problem(full, 503, "QueueFull")
    assert int(full.headers["retry-after"]) >= 1


def test_the_queue_is_free_again_after_deadlines(started: Start) -> None:
    predictor = started(model_files.Logistic(), max_queue=2, timeout_seconds=0.05)
    with hanging(predictor):
        predictor.ask_all([("POST", "/predict", {"json": {"features": [1, 2]}})] * 2)
    replace_model(predictor, lambda rows: np.zeros(len(rows)))
    assert predictor.predict({"features": [1, 2]}).status_code == 200


def test_requests_at_the_same_time_get_their_own_answers(started: Start) -> None:
    predictor = started(model_files.Mean(), A_VALUE)
    requests = [("POST", "/predict", {"json": {"features": [n, n], "request_id": f"r{n}"}}) for n in range(50)]
    for number, answer in enumerate(predictor.ask_all(requests)):
        assert (answer.json()["prediction"], answer.json()["request_id"]) == (number, f"r{number}")


def test_what_nobody_expected_is_logged_once(started: Start, caplog: pytest.LogCaptureFixture) -> None:
    predictor = started(model_files.Logistic())
    replace_model(predictor, lambda rows: rows / None)
    _problem(predictor.predict({"features": [1, 2]}), 500, "InternalError")
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == ["request-failed"]

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections.abc import Iterator

import psutil
import pytest

from modelloop_core.manifest import ModelFormat
from support import model_files
from support.predictor_process import PredictorProcess, eventually
from support.published import pair, publish
from support.raw_http import PREDICT_HEAD, Answer, Wire, chunked, request

ROW = b'{"features":[1,2]}'
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MOST_BYTES = 300_000


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PredictorProcess]:
    folder = tmp_path_factory.mktemp("wire")
    model = model_files.onnx_logistic(folder / ModelFormat.ONNX.value, 2)
    publish(folder / "registry", model, pair(), example=(1.0, 2.0))
    settings = {"read_seconds": 0.6, "max_body_bytes": MOST_BYTES, "timeout_seconds": 10}
    with PredictorProcess(folder, settings) as predictor:
        yield predictor.until_ready()


@pytest.fixture
def wire(running: PredictorProcess) -> Iterator[Wire]:
    with running.connect() as connection:
        yield Wire(connection)


def _is_predicted(answer: Answer, request_id: str | None = None) -> None:
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-model-version"] == "v1.2.3"
    document = json.loads(answer.body)
    assert set(document) == {"prediction", "model_version", "request_id"}
    assert answer.headers["x-request-id"] == document["request_id"]
    assert request_id in (None, document["request_id"])


def _is_refused(answer: Answer, status: int, reason: str) -> None:
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json"), answer
    assert answer.headers["x-model-version"] == "v1.2.3"
    document = json.loads(answer.body)
    assert document["reason"] == reason
    assert document["instance"] == f"urn:modelloop:request:{answer.headers['x-request-id']}"


def _counted(predictor: PredictorProcess) -> dict[str, float]:
    pattern = r"^modelloop_predictor_(requests_total|requests_in_flight|queue_length)(?:\{code=\"(\d+)\"\})? (\S+)$"
    found = re.findall(pattern, predictor.get("/metrics").text, re.MULTILINE)
    return {code or name: float(value) for name, code, value in found}


def test_a_request_byte_by_byte_is_answered(wire: Wire) -> None:
    _is_predicted(wire.ask(*(bytes([byte]) for byte in request(ROW))))


def test_a_head_and_then_its_body_are_answered(wire: Wire) -> None:
    for _ in range(3):
        _is_predicted(wire.ask(PREDICT_HEAD + b"content-length: 18\r\n\r\n", ROW[:7], ROW[7:]))


def test_the_callers_id_and_trace_come_back_on_each_answer(wire: Wire) -> None:
    lines = (b"x-request-id: mine", f"traceparent: {TRACE}".encode())
    for body, status in ((ROW, 200), (b"{", 400), (b"{}", 422), (ROW, 200)):
        answer = wire.ask(request(body, *lines))
        assert (answer.status, answer.headers["x-request-id"], answer.headers["traceparent"]) == (status, "mine", TRACE)


def test_two_requests_in_a_packet_are_answered_in_order(wire: Wire) -> None:
    for _ in range(3):
        wire.send(request(ROW, b"x-request-id: first") + request(ROW, b"x-request-id: second"))
        _is_predicted(wire.answer(), "first")
        _is_predicted(wire.answer(), "second")


def test_a_client_that_would_rather_speak_http_2_is_answered(wire: Wire) -> None:
    """Java's own client asks so in every request."""
    wish = (
        b"connection: Upgrade, HTTP2-Settings",
        b"Upgrade: h2c",
        b"http2-settings: AAEAAEAAAAIAAAABAAMAAABk",
    )
    for number in (b"1", b"2", b"3"):
        _is_predicted(wire.ask(request(ROW, *wish, b"x-request-id: " + number)), number.decode())
    whole = request(ROW, *wish)
    upgrade = whole.index(b"Upgrade: h2c")
    for cut in (80, upgrade - 2, upgrade, upgrade + 4):
        _is_predicted(wire.ask(whole[:cut], whole[cut:]))
    _is_predicted(wire.ask(chunked(ROW, *wish)))
    assert wire.ask(b"GET /healthz HTTP/1.1\r\nhost: x\r\n" + b"\r\n".join(wish) + b"\r\n\r\n").status == 200
    kinds = (whole, request(ROW), chunked(ROW, *wish))
    wire.send(b"".join(kinds[number % 3] for number in range(30)))
    for _ in range(30):
        _is_predicted(wire.answer())


def test_what_is_announced_and_not_sent_takes_nothing_from_others(running: PredictorProcess, wire: Wire) -> None:
    with contextlib.ExitStack() as open_:
        for _ in range(20):
            connection = open_.enter_context(running.connect())
            connection.sendall(PREDICT_HEAD + b"content-length: %d\r\n\r\n" % MOST_BYTES)
        large = ROW + b" " * (MOST_BYTES - len(ROW))
        _is_predicted(wire.ask(request(large)))
        _is_predicted(wire.ask(chunked(ROW)))


def test_a_refused_request_lends_its_head_to_none_behind_it(wire: Wire) -> None:
    wire.send(request(b"{", b"x-request-id: first") + request(ROW, b"x-request-id: second"))
    _is_refused(wire.answer(), 400, "MalformedBody")
    _is_predicted(wire.answer(), "second")
    _is_predicted(wire.ask(request(ROW, b"x-request-id: first")), "first")


def test_a_pipeline_of_predictions_pages_and_mistakes_is_answered_in_order(wire: Wire) -> None:
    kinds = [
        lambda number: request(ROW, b"x-request-id: n%d" % number),
        lambda number: b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-request-id: n%d\r\n\r\n" % number,
        lambda number: request(b'{"features":[1]}', b"x-request-id: n%d" % number),
        lambda number: chunked(ROW, b"x-request-id: n%d" % number),
        lambda number: request(b"[" * number, b"x-request-id: n%d" % number),
    ]
    wire.send(b"".join(kinds[number % 5](number) for number in range(50)))
    answers = [wire.answer() for _ in range(50)]
    assert [answer.headers["x-request-id"] for answer in answers] == [f"n{number}" for number in range(50)]
    assert [answer.status for answer in answers] == [200, 200, 422, 200, 400] * 10


def test_the_same_head_with_bodies_of_other_lengths_then_other_heads(wire: Wire) -> None:
    for number in (1, 12, 123456, 1, 10**300):
        body = json.dumps({"features": [1, 2], "user_id": "1" * min(number, 250)}).encode()
        _is_predicted(wire.ask(request(body)))
    _is_predicted(wire.ask(request(ROW, b"x-request-id: other")), "other")
    _is_refused(wire.ask(request(ROW, head=PREDICT_HEAD.replace(b"json", b"yaml"))), 415, "WrongContentType")
    _is_predicted(wire.ask(request(ROW)))
    answer = wire.ask(request(ROW, b"bad header"))
    assert answer.status == 400
    assert wire.ends()


def test_a_remembered_head_with_too_long_a_body_is_refused(wire: Wire) -> None:
    _is_predicted(wire.ask(request(ROW)))
    _is_refused(wire.ask(request(ROW + b" " * MOST_BYTES)), 413, "BodyTooLarge")
    _is_predicted(wire.ask(request(ROW)))


def test_a_length_is_held_to_the_byte(wire: Wire) -> None:
    short = PREDICT_HEAD + b"content-length: 17\r\n\r\n" + ROW + b"\r\n"
    for _ in range(2):
        _is_predicted(wire.ask(request(ROW)))
    _is_refused(wire.ask(short), 400, "MalformedBody")
    # The byte too many begins the next request, and no request begins with a brace.
    assert wire.answer().status == 400
    assert wire.ends()


@pytest.mark.parametrize(
    "lines",
    [b"content-length: 18\r\ncontent-length: 18", b"content-length: 18\r\ncontent-length: 5", b"content-length: +18"]
    + [b"content-length: " + value for value in (b"0x12", b"-18", b"18, 18", b"1 8", b"18;", b"", b"9" * 30)]
    + [b"content-length: 18\r\ntransfer-encoding: chunked", b"transfer-encoding: chunked\r\ncontent-length: 18"]
    + [
        b"transfer-encoding: gzip",
        b"content-length : 18",
        b" content-length: 18",
        b"content-length: 18\n",
        b"a\x00: b",
    ],
)
@pytest.mark.parametrize("known", [True, False], ids=["after a good one", "at first"])
def test_a_length_that_can_be_read_in_two_ways_is_refused_and_the_connection_ends(
    wire: Wire, lines: bytes, known: bool
) -> None:
    if known:
        _is_predicted(wire.ask(request(ROW)))
    answer = wire.ask(PREDICT_HEAD + lines + b"\r\n\r\n" + ROW)
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    assert answer.headers["x-model-version"] == "v1.2.3"
    assert wire.ends()


def test_leading_zeros_of_a_length_mean_nothing(wire: Wire) -> None:
    for _ in range(3):
        _is_predicted(wire.ask(PREDICT_HEAD + b"content-length: 0018\r\n\r\n" + ROW))
        _is_predicted(wire.ask(PREDICT_HEAD + b"content-length: 0000000000018\r\n\r\n" + ROW))
        _is_predicted(wire.ask(request(ROW)))


def test_chunks_are_put_together_also_with_trailers(wire: Wire) -> None:
    _is_predicted(wire.ask(chunked(ROW)))
    head = PREDICT_HEAD + b"transfer-encoding: chunked\r\n\r\n"
    _is_predicted(wire.ask(head, b"7\r\n" + ROW[:7] + b"\r\n", b"b;name=value\r\n" + ROW[7:] + b"\r\n0\r\n\r\n"))
    _is_predicted(wire.ask(head + b"12\r\n" + ROW + b"\r\n0\r\nx-late: 1\r\n\r\n"))
    _is_predicted(wire.ask(request(ROW)))


@pytest.mark.parametrize("size", [b"x", b"-1", b"0x12", b"", b"1 2", b"f" * 17, b"12\n"])
def test_a_chunk_whose_size_is_no_number_is_refused(wire: Wire, size: bytes) -> None:
    answer = wire.ask(PREDICT_HEAD + b"transfer-encoding: chunked\r\n\r\n" + size + b"\r\n" + ROW + b"\r\n0\r\n\r\n")
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    assert wire.ends()


def test_who_expects_100_continue_is_told_to(wire: Wire) -> None:
    for _ in range(2):
        told = wire.ask(PREDICT_HEAD + b"expect: 100-continue\r\ncontent-length: 18\r\n\r\n")
        assert told.status == 100
        _is_predicted(wire.ask(ROW))


@pytest.mark.parametrize(("version", "line"), [(b"1.1", b"connection: close"), (b"1.0", b"x: y")])
def test_who_wants_no_further_answer_sees_the_end(wire: Wire, version: bytes, line: bytes) -> None:
    answer = wire.ask(request(ROW, line, head=PREDICT_HEAD.replace(b"1.1", version)))
    _is_predicted(answer)
    assert answer.headers["connection"] == "close"
    assert wire.ends()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused_and_the_connection_goes_on(wire: Wire, method: str) -> None:
    for _ in range(2):
        _is_predicted(wire.ask(request(ROW)))
        answer = wire.ask(request(ROW, head=PREDICT_HEAD.replace(b"POST", method.encode())), method=method)
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
        assert answer.headers["x-model-version"] == "v1.2.3"


def test_headers_without_end_are_refused(wire: Wire) -> None:
    answer = wire.ask(PREDICT_HEAD + b"x: y\r\n" * 12_000)
    assert (answer.status, answer.headers["connection"]) == (431, "close")
    assert answer.headers["x-model-version"] == "v1.2.3"


@pytest.mark.parametrize(
    "more",
    [b"0\r\n" + b"x: y\r\n" * 200_000, b"0\r\nx: " + b"y" * 1_200_000, b"1;" + b"x" * 1_200_000],
    ids=["trailers", "a trailer", "an extension of a chunk"],
)
def test_what_comes_around_chunks_without_end_is_refused(running: PredictorProcess, wire: Wire, more: bytes) -> None:
    _is_predicted(wire.ask(chunked(ROW)))
    before = _connection_errors(running, "HeadersTooLarge")
    # Not its answer: with so much on its way the client may see a reset.
    with contextlib.suppress(ConnectionError):
        wire.send(PREDICT_HEAD + b"transfer-encoding: chunked\r\n\r\n12\r\n" + ROW + b"\r\n" + more)
    eventually(
        lambda: _connection_errors(running, "HeadersTooLarge") == before + 1, "it to be refused", running.describe
    )


def test_a_trailer_is_no_header(wire: Wire) -> None:
    late = chunked(ROW, b"x-request-id: first")[:-2] + b"x-request-id: second\r\nx-modelloop-version: 9\r\n\r\n"
    for _ in range(2):
        _is_predicted(wire.ask(late[:-40], late[-40:]), "first")


@pytest.mark.parametrize("path", ["/readyz", "/metrics", "/v2/health/live", "/docs"])
def test_head_answers_as_get_without_a_body(wire: Wire, path: str) -> None:
    for _ in range(2):
        asked = (f"{method} {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode() for method in ("GET", "HEAD"))
        got, headed = wire.ask(next(asked), method="GET"), wire.ask(next(asked), method="HEAD")
        assert (headed.status, headed.headers["content-type"]) == (200, got.headers["content-type"])
    assert wire.ask(b"HEAD /nothing HTTP/1.1\r\nhost: x\r\n\r\n", method="HEAD").status == 404


def test_no_answer_sends_a_caller_to_where_a_header_says(wire: Wire) -> None:
    answer = wire.ask(request(ROW, head=PREDICT_HEAD.replace(b"/predict", b"/predict/")))
    _is_refused(answer, 404, "NotFound")
    assert "location" not in answer.headers


@pytest.mark.parametrize("known", [True, False], ids=["after a good one", "at first"])
def test_a_head_that_stalls_is_timed_out(wire: Wire, known: bool) -> None:
    if known:
        _is_predicted(wire.ask(request(ROW)))
    answer = wire.ask(PREDICT_HEAD)
    assert (answer.status, answer.headers["connection"]) == (408, "close")
    assert answer.headers["x-model-version"] == "v1.2.3"
    assert wire.ends()


@pytest.mark.parametrize("head", [request(ROW), chunked(ROW)], ids=["declared length", "chunked"])
def test_a_body_that_stalls_is_timed_out_and_the_connection_ends(
    running: PredictorProcess, wire: Wire, head: bytes
) -> None:
    before = _counted(running)
    answer = wire.ask(head[:-14])
    _is_refused(answer, 408, "RequestTimeout")
    assert answer.headers["connection"] == "close"
    assert wire.ends()
    after = _counted(running)
    assert after["408"] == before.get("408", 0) + 1
    assert after["requests_in_flight"] == 0


@pytest.mark.parametrize("make", [request, chunked])
def test_a_body_over_the_bound_is_refused(wire: Wire, make: type) -> None:
    _is_refused(wire.ask(make(ROW + b" " * MOST_BYTES)), 413, "BodyTooLarge")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b'{"features":[1,2],"user_id":"\xff"}', 400, id="not UTF-8"),
        pytest.param(b'{"features":[1,2],"\xff":1}', 400, id="a key that is not UTF-8"),
        pytest.param(b'{"features":[1,2],"user_id":"\\ud800"}', 400, id="half a surrogate pair"),
        pytest.param(b'{"features":' + b"[" * 100_000, 400, id="lists without end"),
        pytest.param(b'{"features":' + b'{"a":' * 40_000 + b"1" + b"}" * 40_001, 400, id="objects in objects"),
        pytest.param(b'{"features":[1,' + b"9" * 100_000 + b"]}", 400, id="a number of 100,000 digits"),
        pytest.param(b'{"features":[1,1e400]}', 400, id="a number past float64"),
        pytest.param(b'{"features":[1,1e39]}', 422, id="a number past float32"),
        pytest.param(b'{"features":[1,NaN]}', 400, id="NaN"),
        pytest.param(b"", 400, id="nothing"),
        pytest.param(b"\x00" * 100, 400, id="zeros"),
    ],
)
def test_a_body_that_means_harm_costs_one_answer(wire: Wire, body: bytes, status: int) -> None:
    for _ in range(2):
        _is_refused(wire.ask(request(body)), status, {400: "MalformedBody", 422: "InvalidRequest"}[status])
        _is_predicted(wire.ask(request(ROW)))


@pytest.mark.parametrize("sent", [request(ROW)[:-5], request(ROW)[:-18], chunked(ROW)[:-5]])
def test_a_client_that_leaves_within_its_body_is_counted(running: PredictorProcess, sent: bytes) -> None:
    before = _counted(running)
    with running.connect() as connection:
        connection.sendall(sent)
        eventually(lambda: _counted(running)["requests_in_flight"] == 1, "it to be in flight", running.describe)
    eventually(lambda: _counted(running)["requests_in_flight"] == 0, "it to be gone", running.describe)
    assert _counted(running)["499"] == before.get("499", 0) + 1
    assert not running.named("request-failed")


def test_what_was_answered_is_not_held_by_an_idle_connection(running: PredictorProcess) -> None:
    process, body = psutil.Process(running.process.pid), ROW + b" " * (MOST_BYTES - len(ROW))
    connections: list[socket.socket] = []

    def ask_on_new_ones(count: int) -> int:
        for _ in range(count):
            connections.append(running.connect())
            _is_predicted(Wire(connections[-1]).ask(request(body)))
        return process.memory_info().rss

    try:
        grown = -ask_on_new_ones(20) + ask_on_new_ones(180)
    finally:
        for connection in connections:
            connection.close()
    assert grown < 180 * MOST_BYTES / 4, f"{grown / 2**20:.0f} MiB more for 180 idle connections"


def test_who_pipelines_without_end_and_never_reads_fills_no_memory_and_stops_no_one(
    running: PredictorProcess,
) -> None:
    process, many = psutil.Process(running.process.pid), request(ROW) * 500
    _is_predicted(_one(running))
    before = process.memory_info().rss
    with running.connect() as greedy:
        greedy.settimeout(0.3)
        _send_until_it_stalls(greedy, many)
        for _ in range(20):
            _is_predicted(_one(running))
        assert (process.memory_info().rss - before) / (1 << 20) < 16
        # Cut off, though the client holds on.
        eventually(lambda: _counted(running)["requests_in_flight"] == 0, "all to be gone", running.describe)


def test_what_is_owed_is_answered_before_garbage_behind_it_ends_the_connection(wire: Wire) -> None:
    for _ in range(2):
        _is_predicted(wire.ask(request(ROW)))
    wire.send(request(ROW) + chunked(ROW) + request(ROW) + b"}{\r\n\r\n")
    answers = [wire.answer() for _ in range(3)]
    for answer in answers:
        _is_predicted(answer)
    assert ["connection" in answer.headers for answer in answers] == [False, False, True]
    assert wire.ends()


def test_large_packets_that_end_within_a_head_are_taken_for_what_they_are(wire: Wire) -> None:
    body = ROW + b" " * (MOST_BYTES - len(ROW))
    for _ in range(3):
        whole = request(body) + request(ROW)
        wire.send(whole[: len(request(body)) + 30], whole[len(request(body)) + 30 :])
        _is_predicted(wire.answer())
        _is_predicted(wire.answer())


def test_refusals_of_the_connection_are_counted(running: PredictorProcess, wire: Wire) -> None:
    assert wire.ask(b"}{\r\n\r\n").status == 400
    before = _connection_errors(running, "MalformedRequest")
    with running.connect() as connection:
        _is_refused(Wire(connection).ask(b"}{\r\n\r\n"), 400, "MalformedRequest")
    assert _connection_errors(running, "MalformedRequest") == before + 1


def _connection_errors(predictor: PredictorProcess, reason: str) -> float:
    found = re.findall(rf'errors_total{{reason="{reason}"}} (\S+)', predictor.get("/metrics").text)
    return float(found[0]) if found else 0.0


def _one(predictor: PredictorProcess) -> Answer:
    with predictor.connect() as connection:
        return Wire(connection).ask(request(ROW))


def _send_until_it_stalls(connection: socket.socket, data: bytes) -> None:
    with contextlib.suppress(TimeoutError):
        while True:
            connection.send(data)

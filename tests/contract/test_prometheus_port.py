"""What the operator asks of Prometheus, against Debian's: one number, or in words why there is none."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import aiohttp
import pytest

from modelloop_operator.cluster.prometheus import HttpPrometheus, PrometheusAway, PrometheusError
from support.prometheus_process import PrometheusProcess
from support.s3_server import free_port


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("prometheus")
    rules = folder / "rules.yml"
    rules.write_text("groups: []\n")
    with PrometheusProcess(folder, {}, rules) as process:
        yield process.url


def ask(url: str, promql: str, token: str = "", seconds: float = 5.0) -> float:
    async def asked() -> float:
        async with aiohttp.ClientSession() as session:
            return await HttpPrometheus(session, url, token, seconds=seconds).value(promql)

    return asyncio.run(asked())


@pytest.mark.parametrize(
    ("promql", "value"),
    [
        pytest.param("scalar(vector(0.25))", 0.25, id="a scalar"),
        pytest.param("vector(3)", 3.0, id="a vector of one"),
        pytest.param("sum(vector(1) or label_replace(vector(2), 'a', 'b', '', ''))", 3.0, id="a sum of several"),
        pytest.param("1e300 * 10", 1e301, id="a large number"),
    ],
)
def test_one_number_is_read(prometheus: str, promql: str, value: float) -> None:
    assert math.isclose(ask(prometheus, promql), value)


@pytest.mark.parametrize(
    ("promql", "told"),
    [
        pytest.param("nobody_has_this", "it has no data", id="no series"),
        pytest.param("vector(1) or label_replace(vector(2), 'a', 'b', '', '')", "it has 2 series", id="two series"),
        pytest.param("vector(0) / 0", "it is NaN, which is no number", id="NaN"),
        pytest.param("vector(1) / 0", "it is +Inf", id="infinity"),
        pytest.param("'words'", "its result is a string", id="words"),
        pytest.param("nobody_has_this[5m]", "its result is a matrix", id="a range"),
        pytest.param("rate(", "Prometheus cannot answer it: invalid parameter", id="no PromQL"),
    ],
)
def test_what_is_no_number_is_named(prometheus: str, promql: str, told: str) -> None:
    with pytest.raises(PrometheusError) as caught:
        ask(prometheus, promql)
    assert told in str(caught.value)
    assert caught.value.reason == "MetricUnreadable"


def test_a_prometheus_that_is_away_is_told_from_a_bad_question() -> None:
    with pytest.raises(PrometheusAway, match="cannot be asked"):
        ask(f"http://127.0.0.1:{free_port()}", "vector(1)")


class _Odd(BaseHTTPRequestHandler):
    """Answers as its server says; asks for nothing."""

    def do_POST(self) -> None:
        body, status = self.server.answer  # type: ignore[attr-defined]
        self.server.shown = self.headers.get("authorization")  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("location", "http://elsewhere.example/")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def odd() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Odd)
    server.shown = None  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        pytest.param((b"<html>", 200), PrometheusAway, "no Prometheus does", id="a page"),
        pytest.param((b"", 302), PrometheusAway, "answered 302", id="a redirection"),
        pytest.param((b"Unauthorized", 401), PrometheusAway, "answered 401", id="it wants to know who asks"),
        pytest.param((b"[" * (2 << 20), 200), PrometheusError, "more than 1,048,576 bytes", id="too much"),
        pytest.param((b'{"status":"success","data":{"resultType":"scalar","result":[1]}}', 200), PrometheusError,
                     "holds no number", id="half a result"),
        pytest.param((b'{"status":"success","data":{"resultType":"scalar","result":[1,"x"]}}', 200), PrometheusError,
                     "holds no number", id="words for a number"),
    ],
)  # fmt: skip
def test_what_no_prometheus_says_is_told(
    odd: ThreadingHTTPServer, answer: tuple[bytes, int], kind: type[PrometheusError], told: str
) -> None:
    odd.answer = answer  # type: ignore[attr-defined]
    with pytest.raises(kind, match=told):
        ask(f"http://127.0.0.1:{odd.server_port}", "vector(1)")


def test_the_token_is_shown(odd: ThreadingHTTPServer) -> None:
    odd.answer = (b'{"status":"success","data":{"resultType":"scalar","result":[1,"2.5"]}}', 200)  # type: ignore[attr-defined]
    assert ask(f"http://127.0.0.1:{odd.server_port}/prometheus/", "x", token="sesame") == 2.5
    assert odd.shown == "Bearer sesame"  # type: ignore[attr-defined]


def test_the_time_for_an_answer_is_bounded(tmp_path: Path) -> None:
    async def silent() -> int:
        server = await asyncio.start_server(lambda *_: asyncio.sleep(30), "127.0.0.1", 0)
        port: int = server.sockets[0].getsockname()[1]
        async with aiohttp.ClientSession() as session:
            with pytest.raises(PrometheusAway, match=r"no answer within 0\.2 s"):
                await HttpPrometheus(session, f"http://127.0.0.1:{port}", seconds=0.2).value("vector(1)")
        server.close()
        return port

    assert asyncio.run(silent())

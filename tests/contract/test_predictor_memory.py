from __future__ import annotations

import contextlib
import json
import os
import random
from collections.abc import Iterator

import psutil
import pytest

from support.generated_requests import ODD_VALUES
from support.predictor_process import PredictorProcess, eventually
from support.published import publish_people
from support.raw_http import PREDICT_HEAD, Wire, chunked, request

COUNT = int(os.environ.get("MODELLOOP_BAD_REQUESTS", "50000"))
"""Bad requests that are sent; `make fuzz` sends a million."""

WARM_UP = 5_000
ROUND = 100
MOST_GROWTH = 4 << 20
_V2_HEAD = PREDICT_HEAD.replace(b"/predict", b"/v2/models/model/infer")
_GOOD = b'{"features":[31,2500.0,true,"north","phone"]}'


def _bad_requests() -> list[bytes]:
    """Twenty kinds, none of which ends the connection."""
    return [
        *(request(body) for body in (b"", b"{", b"[]", b"5", b'{"features":null}', b'{"instances":[]}', b"\xff" * 50)),
        *(request(b'{"features":[%b,1,true,"north",null]}' % value.encode()) for value in ODD_VALUES[-12:-6]),
        request(b'{"features":' + b"[" * 2000),
        request(b'{"instances":[%b]}' % b",".join([b"[]"] * 300)),
        request(_GOOD, head=PREDICT_HEAD.replace(b"json", b"yaml")),
        chunked(b'{"features":[1,2,3,4,"%b"]}' % (b"x" * 3000)),
        request(b'{"inputs":[{"name":"age","shape":[1],"datatype":"X","data":[1]}]}', head=_V2_HEAD),
        request(b'{"inputs":[]}', b"inference-header-content-length: 9999", head=_V2_HEAD),
        request(_GOOD, head=PREDICT_HEAD.replace(b"/predict", b"/nowhere")),
        request(_GOOD, head=PREDICT_HEAD.replace(b"POST", b"PUT")),
    ]


@pytest.fixture
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PredictorProcess]:
    folder = tmp_path_factory.mktemp("memory")
    publish_people(folder / "registry", folder)
    with PredictorProcess(folder, {"timeout_seconds": 10, "access_log_per_second": 1}) as predictor:
        yield predictor.until_ready()


def test_bad_requests_leave_nothing_behind(running: PredictorProcess) -> None:
    process, random_ = psutil.Process(running.process.pid), random.Random(7)
    _send(running, random_, WARM_UP)
    before = process.memory_info().rss
    _send(running, random_, COUNT)
    grown = process.memory_info().rss - before
    assert grown < MOST_GROWTH, f"{grown / 2**20:.1f} MiB more after {COUNT} bad requests"
    with running.connect() as connection:
        assert Wire(connection).ask(request(_GOOD)).status == 200


def test_bodies_that_never_end_leave_nothing_behind(running: PredictorProcess) -> None:
    process = psutil.Process(running.process.pid)
    before = process.memory_info().rss
    for _ in range(25):
        with running.connect() as connection:
            connection.sendall(PREDICT_HEAD + b"content-length: 8000001\r\n\r\n" + b" " * 8_000_000)
    with running.connect() as connection:
        assert Wire(connection).ask(request(_GOOD)).status == 200
    grown = process.memory_info().rss - before
    assert grown < 8 * MOST_GROWTH, f"{grown / 2**20:.1f} MiB more after 25 bodies of 8 MB that never ended"


def test_large_bodies_that_take_too_much_together_are_told_so_and_others_are_answered(
    running: PredictorProcess,
) -> None:
    most = 8 << 20
    large = request(_GOOD.ljust(most))
    with contextlib.ExitStack() as held:
        for _ in range(7):
            connection = held.enter_context(running.connect())
            connection.sendall(PREDICT_HEAD + b"content-length: %d\r\n\r\n" % most + b" " * (most - 1))
        with running.connect() as half, running.connect() as late, running.connect() as other:
            half.sendall(PREDICT_HEAD + b"content-length: %d\r\n\r\n" % most + b" " * (most // 2))
            eventually(lambda: Wire(other).ask(request(_GOOD)).status == 200, "a small body", running.describe)
            refused = Wire(late).ask(large)
            assert (refused.status, json.loads(refused.body)["reason"]) == (503, "Overloaded")
            assert Wire(other).ask(chunked(_GOOD)).status == 200
    eventually(lambda: _status(running, large) == 200, "room for a large body", running.describe)


def _status(predictor: PredictorProcess, whole: bytes) -> int:
    with predictor.connect() as connection:
        return Wire(connection).ask(whole).status


def _send(predictor: PredictorProcess, random_: random.Random, count: int) -> None:
    """Half of them pipelined, each round on a connection of its own, some of which are left before the answers."""
    kinds = _bad_requests()
    assert len(kinds) >= 20
    for number in range(count // ROUND):
        asked = random_.choices(kinds, k=ROUND)
        with predictor.connect() as connection:
            wire = Wire(connection)
            if number % 10 == 0:
                wire.send(b"".join(asked))
            elif number % 2:
                wire.send(b"".join(asked))
                assert all(400 <= wire.answer().status < 500 for _ in asked)
            else:
                assert all(400 <= wire.ask(one).status < 500 for one in asked)

"""How many connections a real predictor keeps open, and whom it lets go for the next one."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import pytest

from modelloop_core.manifest import ModelFormat
from support import model_files
from support.predictor_process import PredictorProcess, eventually
from support.published import pair, publish
from support.raw_http import PREDICT_HEAD, Wire, request

ROW = b'{"features":[1,2]}'
MOST = 6


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PredictorProcess]:
    folder = tmp_path_factory.mktemp("connections")
    model = model_files.onnx_logistic(folder / ModelFormat.ONNX.value, 2)
    publish(folder / "registry", model, pair(), example=(1.0, 2.0))
    with PredictorProcess(folder, {"max_connections": MOST, "timeout_seconds": 10}) as predictor:
        yield predictor.until_ready()


def _opened(predictor: PredictorProcess, stack: contextlib.ExitStack) -> Wire:
    return Wire(stack.enter_context(predictor.connect()))


def test_the_idle_one_that_was_opened_first_makes_room(running: PredictorProcess) -> None:
    with contextlib.ExitStack() as stack:
        wires = [_opened(running, stack) for _ in range(MOST)]
        assert [wire.ask(request(ROW)).status for wire in wires] == [200] * MOST
        newcomer = _opened(running, stack)
        assert newcomer.ask(request(ROW)).status == 200
        assert wires[0].ends()
        assert [wire.ask(request(ROW)).status for wire in (*wires[1:], newcomer)] == [200] * MOST


def test_where_none_is_idle_the_newcomer_is_told_when_to_come_back(running: PredictorProcess) -> None:
    with contextlib.ExitStack() as stack:
        wires = [_opened(running, stack) for _ in range(MOST)]
        for wire in wires:
            assert wire.ask(request(ROW)).status == 200
            wire.send(PREDICT_HEAD)
        eventually(lambda: _refusal(running) == "503", "all of them to be busy", running.describe)
        for wire in wires:
            assert wire.ask(b"content-length: 18\r\n\r\n", ROW).status == 200
    errors = r'^modelloop_predictor_errors_total{reason="Overloaded"} ([0-9.]+)$'
    eventually(
        lambda: float((re.findall(errors, running.get("/metrics").text, re.MULTILINE) or [0])[0]) >= 1,
        "the refusal to be counted",
        running.describe,
    )


def test_open_connections_are_a_metric(running: PredictorProcess) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            assert _opened(running, stack).ask(request(ROW)).status == 200
        (found,) = re.findall(r"^modelloop_predictor_connections (\S+)$", running.get("/metrics").text, re.MULTILINE)
        assert 4 <= float(found) <= MOST


def _refusal(predictor: PredictorProcess) -> str:
    """What is said to one who has said nothing yet, if it is a refusal."""
    with predictor.connect() as connection:
        connection.settimeout(0.2)
        try:
            answer = connection.recv(1 << 16)
        except TimeoutError:
            return ""
    assert not answer or b"retry-after" in answer.lower()
    return answer.split()[1].decode() if answer else ""

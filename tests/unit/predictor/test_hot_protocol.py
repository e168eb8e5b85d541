"""That the short way is taken at all: with a web framework that must not be asked, and then a parser that must not."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from modelloop_predictor.hot_protocol import predict_protocol
from support import model_files
from support.predictor_inside import Start

TENSOR = {"name": "features", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}
QUESTIONS = [
    pytest.param("/predict", {"features": [1, 2]}, b'{"prediction":', id="predict"),
    pytest.param("/v2/models/model/infer", {"inputs": [TENSOR]}, b'"datatype":"FP64"', id="V2"),
]


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def close(self) -> None: ...

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class NeverAsked:
    """Stands where nothing may be asked."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked for")


async def _unwanted(scope: object, receive: object, send: object) -> None:
    raise AssertionError("the web framework was asked")


def _request(path: str, document: object, *more: str) -> bytes:
    body = json.dumps(document).encode()
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *more,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _connected(start: Start, tell: Callable[[Any, Transport], Any]) -> None:
    serving = start(model_files.Logistic()).serving
    assert serving.version is not None
    # On a busy machine the warm-up may find otherwise, and the answer would come from the thread.
    serving.install(dataclasses.replace(serving.version, quick=True))

    async def story() -> None:
        config = uvicorn.Config(_unwanted, http=predict_protocol(serving), lifespan="off", interface="asgi3")
        connection: Any = predict_protocol(serving)(config=config, server_state=ServerState(), app_state={})  # type: ignore[call-arg]  # uvicorn's
        transport = Transport()
        connection.connection_made(transport)
        await tell(connection, transport)
        connection.connection_lost(None)

    asyncio.run(story())


@pytest.mark.parametrize(("path", "document", "expected"), QUESTIONS)
def test_a_prediction_meets_no_framework_and_the_same_head_no_parser(
    started: Start, path: str, document: object, expected: bytes
) -> None:
    async def tell(connection: Any, transport: Transport) -> None:
        for parser in (connection.parser, NeverAsked()):
            connection.parser = parser
            connection.data_received(_request(path, document))
            await asyncio.sleep(0)
            assert transport.written[-1].startswith(b"HTTP/1.1 200 OK\r\n")
            assert expected in transport.written[-1]
        assert len(transport.written) == 2

    _connected(started, tell)


def test_another_head_meets_the_parser_again(started: Start) -> None:
    async def tell(connection: Any, _: Transport) -> None:
        connection.data_received(_request("/predict", {"features": [1, 2]}))
        await asyncio.sleep(0)
        connection.parser = NeverAsked()
        with pytest.raises(AssertionError, match="feed_data was asked for"):
            connection.data_received(_request("/predict", {"features": [1, 2]}, "X-Request-Id: other"))

    _connected(started, tell)


_WISH = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk")
_WISHING = _request("/predict", {"features": [1, 2]}, *_WISH)


def _answers(transport: Transport) -> int:
    return b"".join(transport.written).count(b'{"prediction":')


def test_a_wish_for_another_protocol_is_ignored_wherever_its_head_is_cut(started: Start) -> None:
    """Java's own client has it in every request."""

    async def tell(connection: Any, transport: Transport) -> None:
        for cut in range(1, len(_WISHING)):
            connection.data_received(_WISHING[:cut])
            connection.data_received(_WISHING[cut:])
            await asyncio.sleep(0)
            assert _answers(transport) == cut, transport.written[-1]

    _connected(started, tell)


def test_a_wish_is_ignored_behind_another_request(started: Start) -> None:
    async def tell(connection: Any, transport: Transport) -> None:
        # Refused within the call, so that the one behind it is not left to the framework.
        connection.data_received(_request("/predict", {"features": [1]}) + _WISHING)
        assert transport.written[-1].startswith(b"HTTP/1.1 422")
        await asyncio.sleep(0)
        assert _answers(transport) == 1

    _connected(started, tell)


def test_a_head_with_a_wish_is_remembered(started: Start) -> None:
    async def tell(connection: Any, transport: Transport) -> None:
        for parser in (connection.parser, NeverAsked()):
            connection.parser = parser
            connection.data_received(_WISHING)
            await asyncio.sleep(0)
        assert _answers(transport) == 2

    _connected(started, tell)

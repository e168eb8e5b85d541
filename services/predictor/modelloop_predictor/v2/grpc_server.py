"""The protocol over gRPC, on a port of its own, in the event loop that serves HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError, Message

from modelloop_core.wire.predictions import FALLBACK_HEADER, REQUEST_ID_HEADER, TRACE_HEADER, VERSION_HEADER
from modelloop_predictor.accounts import CLIENT_GONE, Exchange, identity, new_request_id
from modelloop_predictor.parsing import known_id
from modelloop_predictor.problems import INVALID, MALFORMED, ProblemError
from modelloop_predictor.serving import Serving
from modelloop_predictor.translation import problem_of
from modelloop_predictor.v2 import messages, model
from modelloop_predictor.v2 import open_inference_pb2 as pb
from modelloop_predictor.v2.arrivals import Arrivals, Context
from modelloop_predictor.v2.grpc_codes import code_of

SERVICE = "inference.GRPCInferenceService"
REASON_KEY = "reason"
"""Trailing metadata of an error: its one word."""

_MOST_ARRIVING = 32
# Besides those that arrive or wait for the model: answers that are being sent, and calls that are being refused.
_MORE_CALLS = 256
_CONNECTION_SECONDS = 300.0
Answer = Callable[[Any, Exchange], Awaitable[Message]]


class GrpcServer:
    """Answers the service's calls from `serving`; it takes messages as large as HTTP takes bodies.

    After `connection_seconds` a client is asked to connect anew: answers that nobody reads end with their connection.
    """

    def __init__(self, serving: Serving, connection_seconds: float = _CONNECTION_SECONDS) -> None:
        self._serving = serving
        self._connection_seconds = connection_seconds
        self._arrivals = Arrivals(_MOST_ARRIVING, serving.settings.read_seconds, self._refuse)
        self._server: grpc.aio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and say on which port; raises OSError when that cannot be."""
        settings = self._serving.settings
        in_flight_seconds = settings.read_seconds + settings.timeout_seconds
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", settings.max_body_bytes),
                ("grpc.max_connection_age_ms", int(self._connection_seconds * 1000)),
                ("grpc.max_connection_age_grace_ms", int(in_flight_seconds * 1000)),
                # Two processes on one port would share its calls without anybody noticing.
                ("grpc.so_reuseport", 0),
            ],
            # The last bound: arrivals, and the model's queue, have bounds of their own, and say so.
            maximum_concurrent_rpcs=settings.max_queue + _MOST_ARRIVING + _MORE_CALLS,
        )
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, self._handlers())])
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            bound: int = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise OSError(f"cannot listen for gRPC on {address}: {error}") from error
        await self._server.start()
        return bound

    async def stop(self, seconds: float) -> None:
        """Take no more calls, and let those in flight end within `seconds`."""
        if self._server is not None:
            await self._server.stop(seconds)

    def _handlers(self) -> dict[str, grpc.RpcMethodHandler]:
        answers: dict[str, tuple[type[Message], Answer]] = {
            "ServerLive": (pb.ServerLiveRequest, self._server_live),
            "ServerReady": (pb.ServerReadyRequest, self._server_ready),
            "ModelReady": (pb.ModelReadyRequest, self._model_ready),
            "ServerMetadata": (pb.ServerMetadataRequest, self._server_metadata),
            "ModelMetadata": (pb.ModelMetadataRequest, self._model_metadata),
            "RepositoryIndex": (pb.RepositoryIndexRequest, self._index),
        }
        handlers = {name: self._handler(self._plain(kind, answer)) for name, (kind, answer) in answers.items()}
        handlers["ModelInfer"] = self._handler(self._counted)
        return handlers

    @staticmethod
    def _handler(call: Callable[[object, Context], Awaitable[bytes]]) -> grpc.RpcMethodHandler:
        # Messages are received by us, so that one on its way is bounded, and read by us, so that a malformed one is
        # told as such. To a caller a stream of one message is one message.
        return grpc.stream_unary_rpc_method_handler(call)

    def _plain(self, kind: type[Message], answer: Answer) -> Callable[[object, Context], Awaitable[bytes]]:
        async def call(_: object, context: Context) -> bytes:
            exchange = _exchange(context)
            try:
                data = await self._arrivals.message(context, exchange)
                found = await answer(_parsed(kind, data), exchange)
            except grpc.aio.AbortError:
                raise
            except Exception as error:  # noqa: BLE001 the top of every call: the client gets a status, the log the cause
                await self._abort(context, exchange, problem_of(error, exchange.request_id))
            context.set_trailing_metadata(self._metadata(exchange))
            return _bytes(found)

        return call

    async def _counted(self, _: object, context: Context) -> bytes:
        exchange, tally = _exchange(context), self._serving.metrics.tally
        tally.in_flight += 1
        try:
            outcome = await self._outcome(context, exchange)
        finally:
            tally.in_flight -= 1
            self._serving.accounts.close(exchange)
        if isinstance(outcome, ProblemError):
            await self._abort(context, exchange, outcome)
        context.set_trailing_metadata(self._metadata(exchange))
        return outcome

    async def _outcome(self, context: Context, exchange: Exchange) -> bytes | ProblemError:
        reserved = 0
        try:
            data = await self._arrivals.message(context, exchange)
            reserved = self._serving.bodies.grow(0, len(data))
            answer = await self._infer(_parsed(pb.ModelInferRequest, data), exchange)
        except asyncio.CancelledError:
            # The client went away or its own deadline is over; there is nobody to answer.
            exchange.status, exchange.reason = CLIENT_GONE, "ClientGone"
            raise
        except grpc.aio.AbortError:
            raise
        except Exception as error:  # noqa: BLE001 the top of every call: the client gets a status, the log the cause
            problem = problem_of(error, exchange.request_id)
            exchange.refuse(problem)
            return problem
        finally:
            self._serving.bodies.give_back(reserved)
        exchange.status = 200
        return _bytes(answer)

    async def _infer(self, request: pb.ModelInferRequest, exchange: Exchange) -> pb.ModelInferResponse:
        serving = self._serving
        model.check_known(serving, request.model_name, request.model_version)
        loaded = serving.live_version()
        exchange.request_id = known_id(request.id) or exchange.request_id
        with loaded.unseen.heard(exchange.live):
            inference = messages.read(request, loaded.contract)
        exchange.count, exchange.entity = len(inference.rows), inference.entity
        scores, by = await model.score(serving, loaded, inference.rows, exchange)
        return messages.write(scores, inference, by.contract, exchange.request_id)

    async def _server_live(self, _: pb.ServerLiveRequest, __: Exchange) -> Message:
        return pb.ServerLiveResponse(live=not self._serving.stuck)

    async def _server_ready(self, _: pb.ServerReadyRequest, __: Exchange) -> Message:
        return pb.ServerReadyResponse(ready=self._serving.state.ready)

    async def _model_ready(self, request: pb.ModelReadyRequest, _: Exchange) -> Message:
        model.check_known(self._serving, request.name, request.version)
        return pb.ModelReadyResponse(ready=self._serving.state.ready)

    async def _server_metadata(self, _: pb.ServerMetadataRequest, __: Exchange) -> Message:
        about = model.server_metadata()
        return pb.ServerMetadataResponse(name=about.name, version=about.version, extensions=about.extensions)

    async def _model_metadata(self, request: pb.ModelMetadataRequest, _: Exchange) -> Message:
        model.check_known(self._serving, request.name, request.version)
        about = model.model_metadata(self._serving.live_version())
        tensor = pb.ModelMetadataResponse.TensorMetadata
        return pb.ModelMetadataResponse(
            name=about.name,
            versions=about.versions,
            platform=about.platform,
            inputs=[tensor(name=spec.name, datatype=spec.datatype, shape=spec.shape) for spec in about.inputs],
            outputs=[tensor(name=spec.name, datatype=spec.datatype, shape=spec.shape) for spec in about.outputs],
        )

    async def _index(self, request: pb.RepositoryIndexRequest, _: Exchange) -> Message:
        if request.repository_name:
            raise ProblemError(
                INVALID, f"there is one repository, without a name; asked was {request.repository_name!r}"
            )
        entry = pb.RepositoryIndexResponse.ModelIndex
        entries = model.index(self._serving, ready_only=request.ready)
        return pb.RepositoryIndexResponse(
            models=[entry(name=e.name, version=e.version, state=e.state, reason=e.reason) for e in entries]
        )

    async def _refuse(self, context: Context, exchange: Exchange, problem: ProblemError) -> None:
        """End a call from outside of it; it may have ended by itself."""
        with suppress(grpc.aio.BaseError):
            await self._abort(context, exchange, problem)

    async def _abort(self, context: Context, exchange: Exchange, problem: ProblemError) -> NoReturn:
        code = code_of(problem.kind)
        metadata = (*self._metadata(exchange), (REASON_KEY, problem.kind.reason))
        await context.abort(code, f"{problem.kind.reason}: {problem.detail}", metadata)
        raise AssertionError("abort raises")

    def _metadata(self, exchange: Exchange) -> tuple[tuple[str, str], ...]:
        version = exchange.answered_by or self._serving.served_name
        found = [(VERSION_HEADER, version), (REQUEST_ID_HEADER, exchange.request_id)]
        if exchange.trace is not None:
            found.append((TRACE_HEADER, exchange.trace.decode()))
        if exchange.fallback is not None:
            found.append((FALLBACK_HEADER, exchange.fallback))
        return tuple(found)


def _exchange(context: Context) -> Exchange:
    given = context.invocation_metadata() or ()
    headers = [(key.encode(), value.encode() if isinstance(value, str) else value) for key, value in given]
    asker = identity(headers)
    return Exchange(asker.request_id or new_request_id(), asker.trace, f"/{SERVICE}/ModelInfer", live=not asker.forced)


def _parsed(kind: type[Message], data: bytes) -> Any:
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise ProblemError(MALFORMED, f"the message is no {kind.__name__}: {error}") from None


def _bytes(message: Message) -> bytes:
    data: bytes = message.SerializeToString()
    return data

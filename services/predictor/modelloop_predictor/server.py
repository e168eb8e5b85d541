"""Runs a predictor: listens at once, loads beside it, drains at SIGTERM, ends with a reason when it cannot serve."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from prometheus_client import CollectorRegistry, disable_created_metrics

from modelloop_core.wire.environment import EXIT_PERMANENT, REDIS_PASSWORD, REDIS_USERNAME, PredictorEnvironment
from modelloop_predictor.app import create_app
from modelloop_predictor.connections import KEEP_ALIVE_SECONDS
from modelloop_predictor.failures import Failure
from modelloop_predictor.fetching import Fetcher
from modelloop_predictor.hot_protocol import predict_protocol
from modelloop_predictor.loader import Loader
from modelloop_predictor.logs import event
from modelloop_predictor.metrics import Metrics
from modelloop_predictor.model_thread import ModelThread
from modelloop_predictor.readiness import Phase
from modelloop_predictor.serving import Serving
from modelloop_predictor.shared_answers import SharedAnswers, redis_answers
from modelloop_predictor.termination import write_termination_log
from modelloop_predictor.tracing import UntracedError, tracer_for

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    from modelloop_predictor.telemetry.telemetry import Telemetry
    from modelloop_predictor.v2.grpc_server import GrpcServer


def serve(
    environment: PredictorEnvironment,
    host: str = "0.0.0.0",  # noqa: S104
    port: int | None = None,
    fetcher: Fetcher | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT (0), or until it is certain that the version can never be served (78).

    `port` goes before the environment's; 0 takes a free one, which the `listening` event names. `fetcher` may have
    begun already.
    """
    fetcher = fetcher or Fetcher(environment)
    try:
        tracer = tracer_for(environment)
    except UntracedError as error:
        fetcher.close()
        event("bad-settings", logging.ERROR, reason="BadSettings", message=str(error))
        write_termination_log(environment.termination_log, "BadSettings", str(error))
        return EXIT_PERMANENT
    thread = ModelThread()
    metrics = Metrics(CollectorRegistry())
    telemetry = _telemetry(environment, metrics)
    serving = Serving(environment, metrics, thread, tracer, _shared_answers(environment, metrics), telemetry)
    server = PredictorServer(_config(serving, host, environment.port if port is None else port), serving)
    stop = threading.Event()
    loader = Loader(serving, lambda: fetcher, wait=stop.wait, on_failure=server.fail)
    thread.start()
    threading.Thread(target=loader.run, name="loader", daemon=True).start()
    # Creation times would double the series; a restart shows in the process's own start time.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped in prometheus_client
    server.run()
    stop.set()
    fetcher.close()
    if telemetry is not None:
        telemetry.close()
    if tracer is not None:
        tracer.close()
    if server.failure is None:
        event("stopped", reason="Asked")
        return 0
    write_termination_log(environment.termination_log, server.failure.reason, server.failure.message)
    event("stopped", reason=server.failure.reason, message=server.failure.message)
    return EXIT_PERMANENT


class PredictorServer(uvicorn.Server):
    """uvicorn that, asked to stop, first lets callers notice while it goes on answering."""

    def __init__(self, config: uvicorn.Config, serving: Serving) -> None:
        super().__init__(config)
        self.failure: Failure | None = None
        self._serving = serving
        self._loop: asyncio.AbstractEventLoop | None = None
        self._grpc: GrpcServer | None = None

    async def startup(self, sockets: list[Any] | None = None) -> None:
        """Listen, and remember the loop for signals."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        ports = {"port": self.servers[0].sockets[0].getsockname()[1]}
        ports |= {**await self._start_mirror(), **await self._start_grpc()}
        event("listening", host=self.config.host, reason=Phase.STARTING, **ports)

    async def shutdown(self, sockets: list[Any] | None = None) -> None:
        """Let what is in flight end, by HTTP and by gRPC at the same time."""
        await asyncio.gather(super().shutdown(sockets), self._stop_grpc())

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start draining at the first signal; a second one ends at once."""
        if self._serving.readiness.draining or self._loop is None:
            self.should_exit = True
            self.force_exit = sig == signal.SIGINT
            return
        self._loop.call_soon_threadsafe(self._drain, signal.Signals(sig).name)

    def fail(self, failure: Failure) -> None:
        """End with a failure; callable from any thread."""
        self.failure = failure
        self.should_exit = True

    async def _start_mirror(self) -> dict[str, int]:
        """Listen for copies of requests as well; uvicorn closes this server with its own."""
        port = self._serving.settings.mirror_port
        if port is None:
            return {}
        config, loop = self.config, asyncio.get_running_loop()
        protocol = cast("type[HttpToolsProtocol]", config.http_protocol_class)
        try:
            server = await loop.create_server(
                lambda: protocol(config, self.server_state, self.lifespan.state),
                host=config.host,
                port=port,
                backlog=config.backlog,
            )
        except OSError as error:
            raise _not_listening(error) from error
        self.servers.append(server)
        self._serving.mirror_port = server.sockets[0].getsockname()[1]
        return {"mirror_port": self._serving.mirror_port}

    async def _start_grpc(self) -> dict[str, int]:
        port = self._serving.settings.grpc_port
        if port is None:
            return {}
        # Here and not above: it costs memory and time of every start that does not need it.
        from modelloop_predictor.v2.grpc_server import GrpcServer

        self._grpc = GrpcServer(self._serving)
        try:
            return {"grpc_port": await self._grpc.start(self.config.host, port)}
        except OSError as error:
            raise _not_listening(error) from error

    async def _stop_grpc(self) -> None:
        if self._grpc is not None:
            await self._grpc.stop(0 if self.force_exit else self._serving.settings.drain_seconds)

    def _drain(self, signal_name: str) -> None:
        serving = self._serving
        asked_before_it_answered = serving.version is None
        serving.readiness.drain()
        serving.metrics.ready.set(0)
        pause = 0.0 if asked_before_it_answered else serving.settings.prestop_seconds
        event("draining", reason=signal_name, seconds=pause)
        asyncio.get_running_loop().call_later(pause, self._stop)

    def _stop(self) -> None:
        self.should_exit = True


def _not_listening(error: OSError) -> SystemExit:
    event("listen-failed", logging.ERROR, reason="ListenFailed", message=str(error))
    # As uvicorn ends when its own port is taken.
    return SystemExit(1)


def _config(serving: Serving, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(serving),
        host=host,
        port=port,
        loop="uvloop",
        http=predict_protocol(serving),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=math.ceil(KEEP_ALIVE_SECONDS),
        timeout_graceful_shutdown=math.ceil(serving.settings.drain_seconds),
        backlog=2048,
    )


def _telemetry(environment: PredictorEnvironment, metrics: Metrics) -> Telemetry | None:
    if environment.monitor_url is None and environment.capture is None:
        return None
    # Here and not above: it costs memory and time of every start that does not need it.
    from modelloop_predictor.telemetry.telemetry import telemetry_for

    return telemetry_for(environment, metrics)


def _shared_answers(environment: PredictorEnvironment, metrics: Metrics) -> SharedAnswers | None:
    if environment.cache_redis_url is None:
        return None
    return redis_answers(
        environment.cache_redis_url,
        username=os.environ.get(REDIS_USERNAME) or None,
        password=os.environ.get(REDIS_PASSWORD) or None,
        prefix=f"modelloop:{environment.model_namespace}/{environment.served_model}:{environment.model_version}:",
        seconds=environment.cache_redis_seconds,
        on_error=metrics.cache_failed,
    )

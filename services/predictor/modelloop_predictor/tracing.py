"""One span for each prediction request, sent by OTLP; there is none, and no import, unless an endpoint is configured.

Everything is OpenTelemetry's own: the variables `OTEL_EXPORTER_OTLP_ENDPOINT` (or `…_TRACES_ENDPOINT`),
`OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER` and the rest mean here what they mean everywhere; `OTEL_SDK_DISABLED=true`
turns it off.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Mapping
from typing import Any

from modelloop_core.wire.environment import PredictorEnvironment
from modelloop_predictor.accounts import Exchange, Tracer

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_CLOSE_SECONDS = 2.0
_INFER = re.compile(r"/v2/models/[^/]+(/versions/[^/]+)?/infer")


class UntracedError(ValueError):
    """Tracing was asked for in a way that cannot work."""


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Whether the variables ask for traces."""
    return any(environ.get(name) for name in _ENDPOINTS) and environ.get("OTEL_SDK_DISABLED", "").lower() != "true"


def tracer_for(settings: PredictorEnvironment, environ: Mapping[str, str] = os.environ) -> Tracer | None:
    """A tracer that exports to the configured endpoint, or None when none is; raises UntracedError."""
    if not is_wanted(environ):
        return None
    protocol = environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol not in (None, "", "http/protobuf"):
        raise UntracedError(f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol!r}: traces are sent as http/protobuf alone")
    return _OtlpTracer(settings)


class _OtlpTracer:
    """Spans through OpenTelemetry's SDK: its sampler, its batches, its exporter with a thread of its own."""

    def __init__(self, settings: PredictorEnvironment) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        about = {
            "service.name": settings.served_model,
            "service.namespace": settings.model_namespace,
            "service.version": settings.model_version,
        }
        declared = Resource.create()  # by OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, which go before what we know
        ours = {name: value for name, value in about.items() if value and _is_open(declared.attributes.get(name))}
        self._provider = TracerProvider(resource=declared.merge(Resource(ours)), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("modelloop.predictor")
        self._propagator = TraceContextTextMapPropagator()
        self._server, self._status = trace.SpanKind.SERVER, trace.StatusCode

    def record(self, exchange: Exchange, seconds: float) -> None:
        """Make a span of a request that ended now, `seconds` after it began."""
        ended = time.time_ns()
        carrier = {} if exchange.trace is None else {"traceparent": exchange.trace.decode("ascii")}
        route = _INFER.sub("/v2/models/{name}/infer", exchange.path)
        span = self._tracer.start_span(
            f"{exchange.method} {route}",
            context=self._propagator.extract(carrier),
            kind=self._server,
            start_time=ended - int(seconds * 1e9),
            attributes=_attributes(exchange, route),
        )
        if exchange.status >= 500:
            span.set_status(self._status.ERROR, exchange.reason or "")
        span.end(ended)

    def close(self) -> None:
        """Send what has not been sent, for two seconds at most: the SDK bounds each of its batches, but not all."""
        ending = threading.Thread(target=self._provider.shutdown, name="tracing", daemon=True)
        ending.start()
        ending.join(_CLOSE_SECONDS)


def _is_open(declared: object) -> bool:
    return declared is None or str(declared).startswith("unknown_service")


def _attributes(exchange: Exchange, route: str) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "http.request.method": exchange.method,
        "http.route": route,
        "http.response.status_code": exchange.status,
        "modelloop.request_id": exchange.request_id,
        "modelloop.rows": exchange.count,
    }
    if exchange.fallback is not None:
        attributes["modelloop.fallback"] = exchange.fallback
    elif exchange.reason is not None:
        attributes["error.type"] = exchange.reason
    return attributes

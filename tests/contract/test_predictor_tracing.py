"""A prediction becomes a span of the caller's trace, received as a collector would."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from modelloop_core.manifest import ModelFormat
from support import model_files
from support.predictor_process import PredictorProcess, eventually
from support.published import pair, publish

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"


class Collector:
    """Takes OTLP by HTTP and keeps the spans."""

    def __init__(self) -> None:
        self.exports: list[ExportTraceServiceRequest] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.exports.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def spans(self) -> list[Any]:
        scopes = [scope for export in self.exports for part in export.resource_spans for scope in part.scope_spans]
        return [span for scope in scopes for span in scope.spans]

    def resource(self) -> dict[str, str]:
        attributes = self.exports[0].resource_spans[0].resource.attributes
        return {attribute.key: attribute.value.string_value for attribute in attributes}


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()


def _serve(folder: Path, **environ: str) -> PredictorProcess:
    path = model_files.torchscript(model_files.Logistic(), folder / ModelFormat.TORCHSCRIPT.value)
    publish(folder / "registry", path, pair(), example=(1.0, 2.0))
    return PredictorProcess(folder, {"model_name": "churn", "model_namespace": "shop"}, environ)


def _ask(predictor: PredictorProcess, path: str, body: Any, trace: str) -> httpx.Response:
    return httpx.post(f"{predictor.url}{path}", json=body, headers={"traceparent": trace}, timeout=20)


def test_each_prediction_is_a_span_of_its_callers_trace(tmp_path: Path, collector: Collector) -> None:
    with _serve(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) as predictor:
        predictor.until_ready()
        answered = _ask(predictor, "/predict", {"features": [1, 2], "request_id": "mine"}, SAMPLED)
        tensor = {"name": "features", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}
        _ask(predictor, "/v2/models/churn/infer", {"inputs": [tensor]}, SAMPLED)
        _ask(predictor, "/predict", {"features": [1]}, SAMPLED)
        _ask(predictor, "/predict", {"features": [1, 2]}, UNSAMPLED)
        assert answered.headers["traceparent"] == SAMPLED
        predictor.terminate()
        assert predictor.exit_code() == 0
    good, infer, bad = collector.spans()
    assert [span.name for span in (good, infer, bad)] == [
        "POST /predict",
        "POST /v2/models/{name}/infer",
        "POST /predict",
    ]
    assert {(span.trace_id.hex(), span.parent_span_id.hex()) for span in (good, infer, bad)} == {(TRACE, PARENT)}
    assert _attributes(good) == {
        "http.request.method": "POST",
        "http.route": "/predict",
        "http.response.status_code": 200,
        "modelloop.request_id": "mine",
        "modelloop.rows": 1,
    }
    assert (_attributes(bad)["http.response.status_code"], _attributes(bad)["error.type"]) == (422, "InvalidRequest")
    assert 0 < good.end_time_unix_nano - good.start_time_unix_nano < 5e9
    known = collector.resource()
    assert (known["service.name"], known["service.namespace"], known["service.version"]) == ("churn", "shop", "1.2.3")


def test_a_fallbacks_answer_is_no_error_and_says_so(tmp_path: Path, collector: Collector) -> None:
    model = model_files.torchscript(model_files.RaisesAboveHundred(), tmp_path / ModelFormat.TORCHSCRIPT.value)
    publish(tmp_path / "registry", model, pair(), example=(1.0, 2.0))
    settings = {"model_name": "churn", "fallback": '{"constant": 0.5}'}
    with PredictorProcess(tmp_path, settings, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}) as predictor:
        predictor.until_ready()
        assert _ask(predictor, "/predict", {"features": [101, 0]}, SAMPLED).status_code == 200
        predictor.terminate()
        assert predictor.exit_code() == 0
    attributes = _attributes(collector.spans()[0])
    assert attributes["modelloop.fallback"] == "ModelFailed"
    assert "error.type" not in attributes


def test_a_collector_that_is_away_costs_no_prediction(tmp_path: Path) -> None:
    with _serve(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", OTEL_BSP_SCHEDULE_DELAY="50") as predictor:
        predictor.until_ready()
        for _ in range(20):
            assert _ask(predictor, "/predict", {"features": [1, 2]}, SAMPLED).status_code == 200
        told = "the exporter to give up"
        eventually(
            lambda: any("opentelemetry" in str(line.get("logger", "")) for line in predictor.events),
            told,
            predictor.describe,
        )
        assert _ask(predictor, "/predict", {"features": [1, 2]}, SAMPLED).status_code == 200
        predictor.terminate()
        assert predictor.exit_code(20) == 0


def test_a_collector_that_never_answers_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        # A batch for each span, and ten seconds that the exporter waits for an answer to each: minutes.
        each_alone = {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "1"}
        with _serve(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, NO_PROXY="127.0.0.1", **each_alone) as predictor:
            predictor.until_ready()
            for _ in range(20):
                assert _ask(predictor, "/predict", {"features": [1, 2]}, SAMPLED).status_code == 200
            predictor.terminate()
            assert predictor.exit_code(60) == 0


def test_a_protocol_that_is_not_spoken_is_told_at_the_start(tmp_path: Path, collector: Collector) -> None:
    wanted = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    with _serve(tmp_path, **wanted) as predictor:
        assert predictor.exit_code() == 78
        assert "http/protobuf" in predictor.named("bad-settings")[0]["message"]
        assert json.loads(predictor.termination_log.read_text())["reason"] == "BadSettings"


def _attributes(span: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in span.attributes}

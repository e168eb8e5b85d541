"""What gRPC adds to the protocol: status codes, metadata, bounds, deadlines, and the end of the process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

from modelloop_core.manifest import ModelFormat
from support import model_files
from support.predictor_process import PredictorProcess, eventually
from support.published import pair, publish
from support.raw_http2 import Http2
from support.s3_server import ACCESS_KEY, SECRET_KEY, free_port
from support.short_connections import short_lived_connections

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
DATA = np.array([[1, 2]], "<f4").tobytes()


def _serve(folder: Path, model: Any, **settings: object) -> PredictorProcess:
    path = model_files.torchscript(model, folder / ModelFormat.TORCHSCRIPT.value)
    publish(folder / "registry", path, pair(), example=(1.0, 2.0))
    return PredictorProcess(folder, {"timeout_seconds": 10, "grpc_port": 0, **settings})


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PredictorProcess]:
    folder = tmp_path_factory.mktemp("grpc")
    with _serve(folder, model_files.RaisesAboveHundred(), max_body_bytes=100_000) as predictor:
        yield predictor.until_ready()


@pytest.fixture(scope="module")
def stub(running: PredictorProcess) -> Iterator[GRPCInferenceServiceStub]:
    with grpc.insecure_channel(running.grpc_address) as channel:
        yield GRPCInferenceServiceStub(channel)


def _request(data: bytes = DATA, **changes: Any) -> pb.ModelInferRequest:
    """One row of raw contents; `changes` are those of its one input, or fields of the request."""
    about = {"name": "features", "datatype": "FP32", "shape": [1, 2]}
    about |= {key: changes.pop(key) for key in list(changes) if key in ("name", "datatype", "shape", "contents")}
    raw = {} if "contents" in about else {"raw_input_contents": [data]}
    return pb.ModelInferRequest(**{"model_name": "model", "inputs": [about], **raw, **changes})


def _typed(datatype: str, **contents: Any) -> pb.ModelInferRequest:
    return _request(datatype=datatype, contents=contents)


def _sized(data: bytes | None, size: int) -> pb.ModelInferRequest:
    """A request that says how many bytes its tensor has."""
    request = _typed("FP32", fp32_contents=[1, 2]) if data is None else _request(data)
    request.inputs[0].parameters["binary_data_size"].int64_param = size
    return request


def _refusal(call: Callable[[], object]) -> tuple[grpc.StatusCode, str, dict[str, str]]:
    """Code, details and trailing metadata of a call, which has to fail."""
    with pytest.raises(grpc.RpcError) as failed:
        call()
    error: Any = failed.value
    return error.code(), error.details(), dict(error.trailing_metadata())


@pytest.mark.parametrize(
    ("datatype", "contents"),
    [
        ("FP32", {"fp32_contents": [1, 2]}),
        ("FP64", {"fp64_contents": [1, 2]}),
        ("INT8", {"int_contents": [1, 2]}),
        ("INT64", {"int64_contents": [1, 2]}),
        ("UINT16", {"uint_contents": [1, 2]}),
        ("UINT64", {"uint64_contents": [1, 2]}),
    ],
)
def test_typed_contents_are_answered_with_typed_contents(stub: Any, datatype: str, contents: dict[str, Any]) -> None:
    answer = stub.ModelInfer(_typed(datatype, **contents))
    assert list(answer.outputs[0].contents.fp64_contents) == pytest.approx([1 / (1 + np.exp(-1.5))])
    assert not answer.raw_output_contents


def test_raw_contents_are_answered_with_raw_contents(stub: Any) -> None:
    answer = stub.ModelInfer(_request())
    assert np.frombuffer(answer.raw_output_contents[0], "<f8") == pytest.approx([1 / (1 + np.exp(-1.5))])
    assert not answer.outputs[0].HasField("contents")


def test_the_form_of_the_answer_may_be_asked_for(stub: Any) -> None:
    flag = {"binary_data_output": pb.InferParameter(bool_param=False)}
    assert stub.ModelInfer(_request(parameters=flag)).outputs[0].contents.fp64_contents


def test_an_answer_names_version_request_and_trace(stub: Any) -> None:
    metadata = (("x-request-id", "from-metadata"), ("traceparent", TRACE))
    answer, call = stub.ModelInfer.with_call(_request(), metadata=metadata)
    assert (answer.model_name, answer.model_version, answer.id) == ("model", "v1.2.3", "from-metadata")
    trailing = dict(call.trailing_metadata())
    assert trailing["x-model-version"] == "v1.2.3"
    assert (trailing["x-request-id"], trailing["traceparent"]) == ("from-metadata", TRACE)


def test_calls_are_counted_and_logged_as_predictions(running: PredictorProcess, stub: Any) -> None:
    before = running.get("/metrics").text
    stub.ModelInfer(_request(id="counted"))
    stub.ServerReady(pb.ServerReadyRequest())
    _refusal(lambda: stub.ModelInfer(_request(DATA[:-1], id="refused")))

    def count(text: str, code: int) -> float:
        prefix = f'modelloop_predictor_requests_total{{code="{code}"}} '
        return sum(float(line.removeprefix(prefix)) for line in text.splitlines() if line.startswith(prefix))

    after = running.get("/metrics").text
    assert [count(after, code) - count(before, code) for code in (200, 422)] == [1, 1]
    lines = {event["request_id"]: event for event in running.named("request")}
    assert (lines["counted"]["status"], lines["counted"]["rows"]) == (200, 1)
    assert lines["counted"]["path"] == "/inference.GRPCInferenceService/ModelInfer"
    assert lines["refused"]["reason"] == "InvalidRequest"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        pytest.param(_request(DATA[:-1]), "has 8 bytes, found 7", id="a byte short"),
        pytest.param(_request(raw_input_contents=[DATA, DATA]), "1 inputs, but 2 raw", id="raw contents too many"),
        pytest.param(
            _request(contents={"fp32_contents": [1, 2]}, raw_input_contents=[DATA]), "has both contents", id="both"
        ),
        pytest.param(_sized(DATA, 9), "is 9, but its raw contents have 8 bytes", id="a size that is not so"),
        pytest.param(_sized(None, 8), "is 8, but there are no raw contents", id="a size of typed contents"),
        pytest.param(_typed("FP32", fp32_contents=[1]), "has 2 elements, found 1", id="an element short"),
        pytest.param(_typed("FP32", fp64_contents=[1, 2]), "is in fp32_contents", id="contents of another datatype"),
        pytest.param(_typed("INT8", int_contents=[1, 300]), "300", id="more than an INT8 holds"),
        pytest.param(_typed("FP32"), "found 0", id="no contents"),
        pytest.param(_typed("BYTES", bytes_contents=[b"1", b"2"]), "expected numbers", id="BYTES for numbers"),
        pytest.param(_request(shape=[1, 2**62]), "shape [rows, 2]", id="a size beyond 64 bits"),
        pytest.param(_request(shape=[-1, 2]), "at least 1 of each", id="negative shape"),
        pytest.param(_request(datatype="FP16"), "unknown datatype", id="unknown datatype"),
        pytest.param(_request(name="other"), "inputs.other: unknown tensor", id="unknown tensor"),
        pytest.param(_request(inputs=[]), "there are none", id="no tensors"),
        pytest.param(pb.ModelInferRequest(model_name="model"), "there are none", id="nothing"),
        pytest.param(_request(outputs=[{"name": "prediction"}] * 2000), "outputs: there are 2000", id="2,000 outputs"),
        pytest.param(
            _request(outputs=[{"name": "prediction", "parameters": {"other": pb.InferParameter(bool_param=True)}}]),
            "outputs.prediction.parameters.other: unknown",
            id="parameter of an output",
        ),
        pytest.param(_request(outputs=[{"name": "logits"}]), "outputs.logits: unknown output", id="unknown output"),
        pytest.param(
            _request(parameters={"priority": pb.InferParameter(uint64_param=1)}), "unknown parameter", id="parameter"
        ),
        pytest.param(
            _request(parameters={"binary_data_output": pb.InferParameter()}), "expected true", id="an empty parameter"
        ),
    ],
)
def test_what_does_not_fit_is_an_invalid_argument(stub: Any, request_: pb.ModelInferRequest, message: str) -> None:
    code, details, trailing = _refusal(lambda: stub.ModelInfer(request_))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert details.startswith("InvalidRequest: ")
    assert message in details
    assert trailing["reason"] == "InvalidRequest"
    assert trailing["x-model-version"] == "v1.2.3"


def test_what_is_no_message_is_told_as_such(running: PredictorProcess) -> None:
    with grpc.insecure_channel(running.grpc_address) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        code, details, trailing = _refusal(lambda: call(b"\xff\xff\xff"))
    assert (code, trailing["reason"]) == (grpc.StatusCode.INVALID_ARGUMENT, "MalformedBody")
    assert "is no ModelInferRequest" in details or "the message" in details


@pytest.mark.parametrize(
    "changes",
    [pytest.param({"model_name": "other"}, id="model"), pytest.param({"model_version": "9.9.9"}, id="version")],
)
def test_another_model_or_version_is_not_found(stub: Any, changes: dict[str, Any]) -> None:
    for call in (
        lambda: stub.ModelInfer(_request(**changes)),
        lambda: stub.ModelMetadata(
            pb.ModelMetadataRequest(name=changes.get("model_name", "model"), version=changes.get("model_version", ""))
        ),
    ):
        code, _, trailing = _refusal(call)
        assert (code, trailing["reason"]) == (grpc.StatusCode.NOT_FOUND, "UnknownModel")


def test_too_large_a_message_is_refused(stub: Any) -> None:
    code, details, _ = _refusal(lambda: stub.ModelInfer(_request(bytes(200_000), shape=[25_000, 2])))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max (2" in details


METHOD = "/inference.GRPCInferenceService/ModelInfer"


def _begin(http2: Http2, calls: int) -> list[int]:
    """Calls of whose messages the first half has come."""
    whole = _request().SerializeToString()
    streams = [http2.begin(METHOD) for _ in range(calls)]
    for stream in streams:
        http2.send(stream, whole[:10], announced=len(whole))
    return streams


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PredictorProcess]:
    """A predictor that takes few calls, and waits for none for long."""
    with _serve(tmp_path_factory.mktemp("strict"), model_files.Logistic(), max_queue=4, read_seconds=3) as predictor:
        yield predictor.until_ready()


def _errors(predictor: PredictorProcess, reason: str) -> float:
    prefix = f'modelloop_predictor_errors_total{{reason="{reason}"}} '
    lines = predictor.get("/metrics").text.splitlines()
    return sum(float(line.removeprefix(prefix)) for line in lines if line.startswith(prefix))


def test_messages_that_stay_half_sent_shut_no_one_out(strict: PredictorProcess) -> None:
    with socket.create_connection(("127.0.0.1", int(strict.grpc_address.rpartition(":")[2])), timeout=20) as connection:
        _begin(Http2(connection), 500)
        eventually(lambda: _errors(strict, "Overloaded") >= 1, "the first ones to make room", strict.describe)
        with grpc.insecure_channel(strict.grpc_address) as channel:
            answers = [GRPCInferenceServiceStub(channel).ModelInfer(_request(), timeout=2) for _ in range(20)]
        assert all(answer.raw_output_contents for answer in answers)


def test_a_message_that_stays_half_sent_is_refused_in_time_and_counted(strict: PredictorProcess) -> None:
    before = _errors(strict, "RequestTimeout")
    with socket.create_connection(("127.0.0.1", int(strict.grpc_address.rpartition(":")[2])), timeout=20) as connection:
        http2 = Http2(connection)
        (stream,) = _begin(http2, 1)
        http2.until_ended(stream)
        assert _errors(strict, "RequestTimeout") == before + 1
        http2.send(http2.begin(METHOD), _request().SerializeToString(), ends=True)
        http2.until_ended(stream + 2)


def test_a_call_without_a_message_is_ended(strict: PredictorProcess) -> None:
    with socket.create_connection(("127.0.0.1", int(strict.grpc_address.rpartition(":")[2])), timeout=20) as connection:
        http2 = Http2(connection)
        stream = http2.begin(METHOD)
        http2.end(stream)
        http2.until_ended(stream)


def test_an_answer_that_nobody_reads_ends_with_its_connection(tmp_path: Path) -> None:
    path = model_files.torchscript(model_files.Logistic(), tmp_path / ModelFormat.TORCHSCRIPT.value)
    publish(tmp_path / "registry", path, pair(), example=(1.0, 2.0))
    with short_lived_connections(tmp_path) as port, socket.create_connection(("127.0.0.1", port), 20) as connection:
        http2 = Http2(connection, window=0)
        http2.send(http2.begin(METHOD), _request().SerializeToString(), ends=True)
        http2.until_closed()


def test_a_caller_that_leaves_within_its_message_is_counted(strict: PredictorProcess) -> None:
    before = _errors(strict, "ClientGone")
    with socket.create_connection(("127.0.0.1", int(strict.grpc_address.rpartition(":")[2])), timeout=20) as connection:
        _begin(Http2(connection), 1)
    eventually(lambda: _errors(strict, "ClientGone") == before + 1, "it to be gone", strict.describe)


def test_too_many_rows_exhaust(stub: Any) -> None:
    code, _, trailing = _refusal(lambda: stub.ModelInfer(_request(bytes(80_008), shape=[10_001, 2])))
    assert (code, trailing["reason"]) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TooManyRows")


def test_a_model_that_raises_is_an_internal_error_without_its_words(stub: Any) -> None:
    data = np.array([[101, 2]], "<f4").tobytes()
    code, details, trailing = _refusal(lambda: stub.ModelInfer(_request(data)))
    assert (code, trailing["reason"]) == (grpc.StatusCode.INTERNAL, "ModelFailed")
    assert "does not like" not in details


def test_a_model_that_is_too_slow_ends_at_either_deadline(tmp_path: Path) -> None:
    slow = np.array([[101, 2]], "<f4").tobytes()
    with _serve(tmp_path, model_files.SlowAboveHundred(), timeout_seconds=1.5) as predictor:
        predictor.until_ready()
        with grpc.insecure_channel(predictor.grpc_address) as channel:
            stub = GRPCInferenceServiceStub(channel)
            code, _, trailing = _refusal(lambda: stub.ModelInfer(_request(slow), timeout=0.2))
            assert (code, trailing) == (grpc.StatusCode.DEADLINE_EXCEEDED, {})
            eventually(lambda: predictor.named("request"), "the account of the call", predictor.describe)
            assert predictor.named("request")[0]["reason"] == "ClientGone"
            code, _, trailing = _refusal(lambda: stub.ModelInfer(_request(), timeout=20))
            assert (code, trailing["reason"]) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DeadlineExceeded")


def test_before_the_model_answers_calls_are_unavailable(tmp_path: Path) -> None:
    settings = {
        "registry_uri": "s3://models/churn",
        "registry_endpoint": f"http://127.0.0.1:{free_port()}",
        "grpc_port": 0,
    }
    credentials = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    with (
        PredictorProcess(tmp_path, settings, credentials) as predictor,
        grpc.insecure_channel(predictor.grpc_address) as channel,
    ):
        stub = GRPCInferenceServiceStub(channel)
        assert stub.ServerLive(pb.ServerLiveRequest()).live
        assert not stub.ServerReady(pb.ServerReadyRequest()).ready
        assert not stub.ModelReady(pb.ModelReadyRequest(name="model")).ready
        code, _, trailing = _refusal(lambda: stub.ModelInfer(_request()))
        assert (code, trailing["reason"]) == (grpc.StatusCode.UNAVAILABLE, "NotReady")


def test_asked_to_stop_it_answers_what_it_has(tmp_path: Path) -> None:
    with _serve(tmp_path, model_files.Logistic(), prestop_seconds=1.0) as predictor:
        predictor.until_ready()
        stop, answered, failures = threading.Event(), [0], []

        def call_on() -> None:
            with grpc.insecure_channel(predictor.grpc_address) as channel:
                stub = GRPCInferenceServiceStub(channel)
                while not stop.is_set():
                    try:
                        stub.ModelInfer(_request(), timeout=20)
                        answered[0] += 1
                        if not stub.ServerReady(pb.ServerReadyRequest(), timeout=20).ready:
                            return
                    except grpc.RpcError as error:
                        failures.append(str(error))
                        return

        callers = [threading.Thread(target=call_on, daemon=True) for _ in range(4)]
        for caller in callers:
            caller.start()
        eventually(lambda: answered[0] > 50, "load", predictor.describe)
        predictor.terminate()
        for caller in callers:
            caller.join(20)
        stop.set()
        assert failures == []
        assert predictor.exit_code() == 0


def test_a_port_that_is_taken_ends_the_start(tmp_path: Path, running: PredictorProcess) -> None:
    taken = running.grpc_address.rpartition(":")[2]
    with _serve(tmp_path, model_files.Logistic(), grpc_port=taken) as predictor:
        assert predictor.exit_code() == 1
        assert taken in predictor.named("listen-failed")[0]["message"]


def test_without_a_port_it_speaks_no_grpc(tmp_path: Path) -> None:
    with PredictorProcess(tmp_path, {}) as predictor:
        assert predictor.port
        assert "grpc_port" not in predictor.named("listening")[0]

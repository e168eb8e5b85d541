"""NVIDIA's client for the protocol, unchanged, by HTTP and by gRPC, against a predictor as it runs in a pod.

This process must not load the predictor's own gRPC messages: their names are those of the client's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

from modelloop_core.manifest import ModelFormat
from support import model_files
from support.predictor_process import PredictorProcess
from support.published import THREE_CLASSES, pair, publish, publish_people

ROWS = np.array([[1, 2], [3, 4], [-5, 0]], np.float32)
SCORES = 1 / (1 + np.exp(-ROWS.mean(axis=1).astype(np.float64)))


class Client(NamedTuple):
    """A client and the module of its requests."""

    ask: Any
    of: ModuleType

    def tensor(self, name: str, array: Any, datatype: str, **options: Any) -> Any:
        given = self.of.InferInput(name, list(array.shape), datatype)
        given.set_data_from_numpy(array, **options)
        return given

    def wanted(self, name: str, **options: Any) -> Any:
        return self.of.InferRequestedOutput(name, **options)


def _run(folder: Path) -> PredictorProcess:
    return PredictorProcess(folder, {"timeout_seconds": 10, "grpc_port": 0, "model_name": "income"})


def _two_numbers(folder: Path, model: Any, output: Any = None) -> PredictorProcess:
    path = model_files.torchscript(model, folder / ModelFormat.TORCHSCRIPT.value)
    publish(folder / "registry", path, pair(output), example=(1.0, 2.0))
    return _run(folder)


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PredictorProcess]:
    """Serves two numbers to a probability."""
    with _two_numbers(tmp_path_factory.mktemp("numbers"), model_files.Logistic()) as predictor:
        yield predictor.until_ready()


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PredictorProcess]:
    """Serves two numbers to one of three classes."""
    with _two_numbers(tmp_path_factory.mktemp("classes"), model_files.ThreeClasses(), THREE_CLASSES) as predictor:
        yield predictor.until_ready()


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PredictorProcess]:
    """Serves every kind of feature."""
    folder = tmp_path_factory.mktemp("people")
    publish_people(folder / "registry", folder)
    with _run(folder) as predictor:
        yield predictor.until_ready()


def _client(kind: str, predictor: PredictorProcess) -> Client:
    if kind == "http":
        return Client(tritonclient.http.InferenceServerClient(f"127.0.0.1:{predictor.port}"), tritonclient.http)
    return Client(tritonclient.grpc.InferenceServerClient(predictor.grpc_address), tritonclient.grpc)


both = pytest.mark.parametrize("kind", ["http", "grpc"])


@both
def test_health_and_readiness(numbers: PredictorProcess, kind: str) -> None:
    client = _client(kind, numbers)
    assert client.ask.is_server_live()
    assert client.ask.is_server_ready()
    assert client.ask.is_model_ready("income")
    assert client.ask.is_model_ready("income", "1.2.3")


def test_metadata_and_index_by_http(numbers: PredictorProcess) -> None:
    client = _client("http", numbers).ask
    assert client.get_server_metadata()["name"] == "modelloop"
    assert client.get_model_metadata("income")["inputs"] == [{"name": "features", "datatype": "FP32", "shape": [-1, 2]}]
    (entry,) = client.get_model_repository_index()
    assert (entry["name"], entry["version"], entry["state"]) == ("income", "v1.2.3", "READY")


def test_metadata_and_index_by_grpc(numbers: PredictorProcess) -> None:
    client = _client("grpc", numbers).ask
    assert list(client.get_server_metadata().extensions) == ["binary_tensor_data", "model_repository_index"]
    metadata = client.get_model_metadata("income", "v1.2.3")
    assert [(t.name, t.datatype, list(t.shape)) for t in metadata.inputs] == [("features", "FP32", [-1, 2])]
    assert [(t.name, t.datatype, list(t.shape)) for t in metadata.outputs] == [("prediction", "FP64", [-1])]
    (entry,) = client.get_model_repository_index().models
    assert (entry.name, entry.version, entry.state) == ("income", "v1.2.3", "READY")


@both
def test_one_tensor_with_all_features(numbers: PredictorProcess, kind: str) -> None:
    client = _client(kind, numbers)
    answer = client.ask.infer("income", [client.tensor("features", ROWS, "FP32")], request_id="r-1")
    assert answer.as_numpy("prediction") == pytest.approx(SCORES)
    response = answer.get_response()
    assert (response["id"] if kind == "http" else response.id) == "r-1"


@both
def test_a_tensor_for_each_feature(numbers: PredictorProcess, kind: str) -> None:
    client = _client(kind, numbers)
    inputs = [
        client.tensor("second", ROWS[:, 1:].astype(np.int64), "INT64"),
        client.tensor("first", ROWS[:, :1].astype(np.float64), "FP64"),
    ]
    assert client.ask.infer("income", inputs).as_numpy("prediction") == pytest.approx(SCORES)


@both
def test_levels_and_flags(people: PredictorProcess, kind: str) -> None:
    client = _client(kind, people)
    inputs = [
        client.tensor("age", np.array([31, 31], np.int64), "INT64"),
        client.tensor("income", np.array([2500, np.nan]), "FP64"),
        client.tensor("member", np.array([True, False]), "BOOL"),
        client.tensor("region", np.array([b"north", b"south"], object), "BYTES"),
        client.tensor("device", np.array(["phone", "größe"], object), "BYTES"),
    ]
    rows = [[31, 2500, True, "north", "phone"], [31, None, False, "south", "größe"]]
    predicted = people.predict({"instances": rows}).json()["predictions"]
    assert client.ask.infer("income", inputs).as_numpy("prediction").tolist() == predicted


@both
def test_only_the_outputs_asked_for(classes: PredictorProcess, kind: str) -> None:
    client = _client(kind, classes)
    inputs = [client.tensor("features", np.array([[0, 5], [9, 5]], np.float32), "FP32")]
    answer = client.ask.infer("income", inputs, outputs=[client.wanted("probabilities")])
    assert answer.as_numpy("probabilities").sum(axis=1) == pytest.approx([1, 1])
    assert answer.as_numpy("prediction") is None
    labels = client.ask.infer("income", inputs).as_numpy("prediction")
    assert labels.tolist() == [b"green", b"red"]


def test_json_in_and_out_by_http(classes: PredictorProcess) -> None:
    client = _client("http", classes)
    inputs = [client.tensor("features", np.array([[0, 5]], np.float32), "FP32", binary_data=False)]
    outputs = [client.wanted(name, binary_data=False) for name in ("prediction", "probabilities")]
    answer = client.ask.infer("income", inputs, outputs=outputs)
    assert answer.get_output("prediction")["data"] == ["green"]
    assert answer.as_numpy("probabilities").shape == (1, 3)


@both
def test_a_wish_that_is_not_obeyed_is_refused(numbers: PredictorProcess, kind: str) -> None:
    client = _client(kind, numbers)
    with pytest.raises(InferenceServerException, match="priority: unknown parameter"):
        client.ask.infer("income", [client.tensor("features", ROWS, "FP32")], priority=1)


@both
def test_another_model_is_told_as_an_error(numbers: PredictorProcess, kind: str) -> None:
    client = _client(kind, numbers)
    with pytest.raises(InferenceServerException, match="there is no model 'other' here") as failed:
        client.ask.infer("other", [client.tensor("features", ROWS, "FP32")])
    assert failed.value.status() == {"http": "404", "grpc": "StatusCode.NOT_FOUND"}[kind]


@both
def test_a_value_that_does_not_fit_is_told_with_its_place(numbers: PredictorProcess, kind: str) -> None:
    client = _client(kind, numbers)
    rows = ROWS.copy()
    rows[2, 1] = np.nan
    with pytest.raises(InferenceServerException, match=r"inputs\.features\[2\]\[1\]: second: NaN"):
        client.ask.infer("income", [client.tensor("features", rows, "FP32")])

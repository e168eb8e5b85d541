"""KServe's own client library, unchanged, by HTTP and by gRPC, against a predictor as it runs in a pod."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelloop_core.manifest import ModelFormat
from support import model_files
from support.kserve_client import KServeClient
from support.predictor_process import PredictorProcess
from support.published import THREE_CLASSES, pair, publish, publish_people

PEOPLE: list[dict[str, Any]] = [
    {"name": "age", "datatype": "INT64", "shape": [2], "data": [31, 40]},
    {"name": "income", "datatype": "FP64", "shape": [2], "data": [2500.0, -1.5]},
    {"name": "member", "datatype": "BOOL", "shape": [2], "data": [True, False]},
    {"name": "region", "datatype": "BYTES", "shape": [2], "data": ["north", "3"]},
    {"name": "device", "datatype": "BYTES", "shape": [2], "data": ["phone", "größe"]},
]
FEATURES: list[dict[str, Any]] = [{"name": "features", "datatype": "FP32", "shape": [2, 2], "data": [0, 5, 9, 5]}]


@pytest.fixture(scope="module")
def kserve() -> Iterator[KServeClient]:
    """KServe's client."""
    with KServeClient() as client:
        yield client


def _run(folder: Path) -> PredictorProcess:
    return PredictorProcess(folder, {"timeout_seconds": 10, "grpc_port": 0, "model_name": "income"})


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PredictorProcess]:
    """Serves every kind of feature."""
    folder = tmp_path_factory.mktemp("kserve-people")
    publish_people(folder / "registry", folder)
    with _run(folder) as predictor:
        yield predictor.until_ready()


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PredictorProcess]:
    """Serves two numbers to one of three classes."""
    folder = tmp_path_factory.mktemp("kserve-classes")
    path = model_files.torchscript(model_files.ThreeClasses(), folder / ModelFormat.TORCHSCRIPT.value)
    publish(folder / "registry", path, pair(THREE_CLASSES), example=(1.0, 2.0))
    with _run(folder) as predictor:
        yield predictor.until_ready()


def _address(kind: str, predictor: PredictorProcess) -> str:
    return predictor.url if kind == "rest" else predictor.grpc_address


every_way = pytest.mark.parametrize(
    ("kind", "binary"),
    [
        pytest.param("rest", False, id="JSON"),
        pytest.param("rest", True, id="bytes after JSON"),
        pytest.param("grpc", False, id="gRPC, typed contents"),
        pytest.param("grpc", True, id="gRPC, raw contents"),
    ],
)


@every_way
def test_kserves_client_is_answered_as_predict_is(
    people: PredictorProcess, kserve: KServeClient, kind: str, binary: bool
) -> None:
    found = kserve.ask(kind, _address(kind, people), model="income", inputs=PEOPLE, binary=binary)
    rows = [list(row) for row in zip(*(given["data"] for given in PEOPLE), strict=True)]
    predicted = people.predict({"instances": rows}).json()["predictions"]
    assert found["answer"] == {"id": "r-1", "model": "income", "outputs": {"prediction": predicted}}
    assert (found["live"], found["ready"], found["model_ready"], found["other_ready"]) == (True, True, True, False)
    assert "there is no model 'other' here" in found["error"]


@every_way
def test_kserves_client_reads_labels_and_probabilities(
    classes: PredictorProcess, kserve: KServeClient, kind: str, binary: bool
) -> None:
    found = kserve.ask(kind, _address(kind, classes), model="income", inputs=FEATURES, binary=binary)
    outputs = found["answer"]["outputs"]
    assert outputs["prediction"] == ["green", "red"]
    assert [sum(row) for row in outputs["probabilities"]] == pytest.approx([1, 1])
    asked = kserve.ask(
        kind, _address(kind, classes), model="income", inputs=FEATURES, binary=binary, outputs=["probabilities"]
    )
    assert list(asked["answer"]["outputs"]) == ["probabilities"]

from __future__ import annotations

import json
import struct
from typing import Any

import httpx
import numpy as np
import pytest

from modelloop_core.feature_schema import NumericFeature, RegressionOutput, Signature
from modelloop_predictor.problems import ProblemError
from modelloop_predictor.v2.contract import Contract
from modelloop_predictor.v2.rest import RestCodec
from modelloop_predictor.v2.tensors import from_bytes
from support import model_files
from support.open_inference import INFER, elements, infer, infer_binary, person, refusal, tensor
from support.predictor_inside import Predictor, Start
from support.published import THREE_CLASSES, TWO_VALUES

FEATURES: dict[str, Any] = {"name": "features", "datatype": "FP32", "shape": [2, 2]}
DATA = np.array([[1, 2], [3, 4]], "<f4").tobytes()
JSON_INPUTS = [tensor("features", "FP32", [2, 2], [1, 2, 3, 4])]


def _binary_outputs(answer: httpx.Response) -> dict[str, bytes]:
    """The data of each output that came as bytes, by name."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/octet-stream"
    start = int(answer.headers["inference-header-content-length"])
    found = {}
    for output in json.loads(answer.content[:start])["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size", 0)
        found[output["name"]] = answer.content[start : start + size]
        start += size
    assert start == len(answer.content)
    return found


@pytest.mark.parametrize("datatype", ["FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT64"])
def test_bytes_and_json_are_answered_alike(started: Start, datatype: str) -> None:
    predictor = started(model_files.Logistic())
    kind = {"F": "<f", "I": "<i", "U": "<u"}[datatype[0]] + str(int(datatype.lstrip("FPUINT")) // 8)
    answer = infer_binary(predictor, [(FEATURES | {"datatype": datatype}, np.array([1, 2, 3, 4], kind).tobytes())])
    assert answer.json()["outputs"] == infer(predictor, JSON_INPUTS).json()["outputs"]


def test_every_kind_of_feature_may_come_as_bytes(people: Predictor) -> None:
    columns: list[tuple[str, str, bytes]] = [
        ("age", "INT64", np.array([31, 40], "<i8").tobytes()),
        ("income", "FP64", np.array([2500, np.nan], "<f8").tobytes()),
        ("member", "BOOL", b"\x01\x00"),
        ("region", "BYTES", elements(b"north", b"3")),
        ("device", "BYTES", elements(b"phone", "größe".encode())),
    ]
    inputs = [({"name": name, "datatype": datatype, "shape": [2]}, data) for name, datatype, data in columns]
    rows = person(
        age=[31, 40], income=[2500.0, None], member=[True, False], region=["north", "3"], device=["phone", "größe"]
    )
    assert infer_binary(people, inputs).json()["outputs"] == infer(people, rows).json()["outputs"]


def test_json_and_bytes_may_be_mixed(started: Start) -> None:
    predictor = started(model_files.Logistic())
    head = json.dumps(
        {
            "inputs": [
                tensor("first", "FP32", [2], [1, 3]),
                {"name": "second", "datatype": "FP64", "shape": [2], "parameters": {"binary_data_size": 16}},
            ]
        }
    ).encode()
    headers = {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"}
    answer = predictor.ask("POST", INFER, content=head + struct.pack("<dd", 2, 4), headers=headers)
    assert answer.json()["outputs"] == infer(predictor, JSON_INPUTS).json()["outputs"]


def test_outputs_come_as_bytes_when_asked_for_all(started: Start) -> None:
    predictor = started(model_files.Logistic())
    answer = infer_binary(predictor, [(FEATURES, DATA)], parameters={"binary_data_output": True})
    expected = infer(predictor, JSON_INPUTS).json()["outputs"][0]["data"]
    assert np.frombuffer(_binary_outputs(answer)["prediction"], "<f8").tolist() == expected


def test_an_output_says_for_itself_how_it_comes(started: Start) -> None:
    predictor = started(model_files.ThreeClasses(), THREE_CLASSES)
    outputs = [{"name": "probabilities", "parameters": {"binary_data": False}}, {"name": "prediction"}]
    answer = infer(predictor, JSON_INPUTS, outputs=outputs, parameters={"binary_data_output": True})
    found = _binary_outputs(answer)
    assert found == {"probabilities": b"", "prediction": elements(b"green", b"green")}


def test_each_of_several_values_is_a_tensor_of_its_name(started: Start) -> None:
    predictor = started(model_files.MeanAndLargest(), TWO_VALUES)
    described = predictor.ask("GET", "/v2/models/model").json()["outputs"]
    assert described == [{"name": name, "datatype": "FP64", "shape": [-1]} for name in ("mean", "largest")]
    answered = infer(predictor, JSON_INPUTS).json()["outputs"]
    assert [(output["name"], output["shape"], output["data"]) for output in answered] == [
        ("mean", [2], [1.5, 3.5]),
        ("largest", [2], [2.0, 4.0]),
    ]
    wanted = infer(predictor, JSON_INPUTS, outputs=[{"name": "largest", "parameters": {"binary_data": True}}])
    assert _binary_outputs(wanted) == {"largest": np.array([2.0, 4.0]).tobytes()}


def test_numbers_are_read_where_they_lie() -> None:
    data = memoryview(DATA)
    values = from_bytes("features", "FP32", [2, 2], data).values
    assert isinstance(values, np.ndarray)
    assert np.shares_memory(values, np.frombuffer(data, np.uint8))


@pytest.mark.parametrize(("value", "fits"), [(np.float32(0.1), True), (np.nextafter(np.float32(0.1), 1), False)])
def test_a_bound_holds_for_what_it_becomes_as_a_float32(value: np.float32, fits: bool) -> None:
    # float32(0.1) is a little more than 0.1.
    signature = Signature(inputs=(NumericFeature(name="share", maximum=0.1),), output=RegressionOutput())
    codec = RestCodec(Contract(signature, "model", "v1.2.3", "user_id"))
    about = {"name": "share", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 4}}
    head = json.dumps({"inputs": [about]}).encode()
    parsed = codec.parse(head + value.tobytes(), len(head))
    if fits:
        assert codec.read(parsed).rows.tolist() == [[float(value)]]
    else:
        with pytest.raises(ProblemError, match="outside"):
            codec.read(parsed)


@pytest.mark.parametrize(
    ("about", "data", "message"),
    [
        pytest.param({}, DATA[:-1], "FP32 [2, 2] has 16 bytes, found 15", id="a byte short"),
        pytest.param({}, DATA + b"\x00", "found 17", id="a byte long"),
        pytest.param({}, b"", "found 0", id="no bytes"),
        pytest.param({"shape": [1, 2**62]}, DATA, "shape [rows, 2]", id="a size beyond 64 bits"),
        pytest.param({"shape": [9_999, 2**63]}, DATA, "shape [rows, 2]", id="a product beyond 64 bits"),
        pytest.param({"shape": [-2, -2]}, DATA, "at least 1", id="negative shape whose product fits"),
        pytest.param({"shape": [0, 2]}, b"", "at least 1", id="no rows"),
        pytest.param({"datatype": "BF16"}, DATA, "unknown datatype 'BF16'", id="unknown datatype"),
        pytest.param({"parameters": {"binary_data_size": -16}}, DATA, "not a number of bytes", id="negative size"),
        pytest.param({"parameters": {"binary_data_size": 16.0}}, DATA, "not a number of bytes", id="a size of 16.0"),
        pytest.param({"parameters": {"binary_data_size": True}}, DATA, "not a number of bytes", id="a size of true"),
        pytest.param({"parameters": {"binary_data_size": 2**62}}, DATA, "but 16 bytes are left", id="a huge size"),
        pytest.param({"parameters": {"binary_data_size": 8}}, DATA, "found 8", id="a size that leaves bytes"),
        pytest.param({"data": [1, 2, 3, 4]}, DATA, "both data and", id="data twice"),
        pytest.param({}, np.array([1, 2, 3, np.nan], "<f4").tobytes(), "NaN stands for null", id="NaN"),
        pytest.param({}, np.array([1, 2, 3, np.inf], "<f4").tobytes(), "inf is outside", id="infinity"),
    ],
)
def test_bytes_that_do_not_fit_are_refused(started: Start, about: dict[str, Any], data: bytes, message: str) -> None:
    answer = infer_binary(started(model_files.Logistic()), [(FEATURES | about, data)])
    error = refusal(answer, 422, "InvalidRequest")["errors"][0]
    assert error["field"].startswith("inputs.features")
    assert message in error["message"]


@pytest.mark.parametrize(
    ("data", "shape", "message"),
    [
        pytest.param(elements(b"north")[:-1], [1], "1 bytes before the end of element 0", id="a cut element"),
        pytest.param(elements(b"north") + b"\x05\x00\x00", [2], "within the length of element 1", id="a cut length"),
        pytest.param(struct.pack("<I", 2**32 - 1) + b"north", [1], "before the end of element 0", id="a huge length"),
        pytest.param(elements(b"north", b"south"), [1], "9 bytes are left after its 1 elements", id="an element more"),
        pytest.param(elements(b"north"), [9_999], "found 9", id="a large shape"),
        pytest.param(elements(b"n\xffrth"), [1], "is not UTF-8", id="not UTF-8"),
        pytest.param(elements(b""), [1], "'' is none of", id="an empty level"),
    ],
)
def test_texts_that_do_not_fit_are_refused(people: Predictor, data: bytes, shape: list[int], message: str) -> None:
    about = {"name": "region", "datatype": "BYTES", "shape": shape}
    columns = {given["name"]: given["data"] * shape[0] for given in person()}
    others = [given for given in person(**columns) if given["name"] != "region"]
    head = json.dumps({"inputs": [*others, about | {"parameters": {"binary_data_size": len(data)}}]}).encode()
    headers = {"inference-header-content-length": str(len(head))}
    answer = people.ask("POST", INFER, content=head + data, headers=headers)
    error = refusal(answer, 422, "InvalidRequest")["errors"][0]
    assert error["field"].startswith("inputs.region")
    assert message in error["message"]


def test_a_byte_that_is_no_bool_is_refused() -> None:
    with pytest.raises(ProblemError, match="a BOOL is a byte 0 or 1"):
        from_bytes("member", "BOOL", [4], memoryview(b"\x00\x01\x02\x01"))


@pytest.mark.parametrize("length", ["-1", "1.5", "", "x", "9" * 30, "\u0663"])
def test_a_length_that_is_no_number_is_refused(started: Start, length: str) -> None:
    head = json.dumps({"inputs": JSON_INPUTS})
    headers = {"inference-header-content-length": length.encode()}
    refusal(started(model_files.Logistic()).ask("POST", INFER, content=head, headers=headers), 400, "MalformedBody")


@pytest.mark.parametrize(("wrong_by", "reason"), [(-1, "MalformedBody"), (1, "MalformedBody"), (1000, "MalformedBody")])
def test_a_length_that_is_not_the_jsons_is_refused(started: Start, wrong_by: int, reason: str) -> None:
    length = len(json.dumps({"inputs": [{"parameters": {"binary_data_size": 16}, **FEATURES}]})) + wrong_by
    answer = infer_binary(started(model_files.Logistic()), [(FEATURES, DATA)], length=length)
    refusal(answer, 400, reason)


def test_bytes_without_the_header_are_refused(started: Start) -> None:
    inputs = [FEATURES | {"parameters": {"binary_data_size": 16}}]
    error = refusal(infer(started(model_files.Logistic()), inputs), 422, "InvalidRequest")["error"]
    assert "is inference-header-content-length right?" in error


def test_bytes_of_no_tensor_are_refused(started: Start) -> None:
    head = json.dumps({"inputs": JSON_INPUTS}).encode()
    headers = {"inference-header-content-length": str(len(head))}
    answer = started(model_files.Logistic()).ask("POST", INFER, content=head + b"more", headers=headers)
    assert "4 bytes after the JSON belong to no tensor" in refusal(answer, 422, "InvalidRequest")["error"]

"""The bench's requests are what each protocol asks for, and answers in every form come back as numbers."""

from __future__ import annotations

import json

import numpy as np
from bench.online.wires import WIRES

ROWS = np.array([[0.5, -1.25, 3.0], [0.1, 22.75, -0.0]])


def _body(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]


def test_one_row_goes_as_features_and_many_go_as_instances() -> None:
    wire = WIRES["predict"]

    assert json.loads(_body(wire.request(ROWS[:1]))) == {"features": [0.5, -1.25, 3.0]}
    assert json.loads(_body(wire.request(ROWS))) == {"instances": ROWS.tolist()}


def test_a_request_declares_the_length_that_its_body_has() -> None:
    for wire in WIRES.values():
        request = wire.request(ROWS)
        assert f"content-length: {len(_body(request))}\r\n".encode() in request


def test_a_binary_tensor_follows_its_json_in_little_endian_float32() -> None:
    request = WIRES["V2 binary"].request(ROWS)
    length = int(request.partition(b"inference-header-content-length: ")[2].partition(b"\r\n")[0])
    head, data = json.loads(_body(request)[:length]), _body(request)[length:]

    assert head["inputs"][0]["shape"] == [2, 3]
    assert head["inputs"][0]["parameters"] == {"binary_data_size": len(data)}
    assert np.frombuffer(data, "<f4").reshape(2, 3).tolist() == ROWS.astype(np.float32).tolist()


def test_predictions_come_back_from_every_form_of_answer() -> None:
    binary = json.dumps(
        {"outputs": [{"name": "y", "datatype": "FP64", "shape": [2], "parameters": {"binary_data_size": 16}}]}
    ).encode()
    answers = [
        ("predict", {}, b'{"predictions": [0.25, 0.75]}'),
        ("V1", {}, b'{"predictions": [0.25, 0.75]}'),
        ("V2 JSON", {}, b'{"outputs": [{"datatype": "FP32", "shape": [2, 1], "data": [[0.25], [0.75]]}]}'),
        ("V2 binary", {"inference-header-content-length": str(len(binary))}, binary + np.array([0.25, 0.75]).tobytes()),
    ]

    assert {name: WIRES[name].decode(headers, body).tolist() for name, headers, body in answers} == {
        name: [0.25, 0.75] for name, _, _ in answers
    }
    assert WIRES["predict"].decode({}, b'{"prediction": 0.25}').tolist() == [0.25]

"""Requests of the Open Inference Protocol, written as clients do."""

from __future__ import annotations

import json
import struct
from typing import Any

import httpx

from support.predictor_inside import Predictor

INFER = "/v2/models/model/infer"


def tensor(name: str, datatype: str, shape: list[int], data: Any) -> dict[str, Any]:
    """An input in JSON."""
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def person(**changes: list[Any]) -> list[dict[str, Any]]:
    """One row of PEOPLE as tensors, with other data where `changes` has it."""
    datatypes = {"age": "INT64", "income": "FP64", "member": "BOOL", "region": "BYTES", "device": "BYTES"}
    data = {"age": [31], "income": [2500.0], "member": [True], "region": ["north"], "device": ["phone"], **changes}
    return [tensor(name, datatypes[name], [len(values)], values) for name, values in data.items()]


def infer(predictor: Predictor, inputs: list[dict[str, Any]], path: str = INFER, **more: Any) -> httpx.Response:
    """Ask with JSON tensors; `more` are the request's other keys."""
    body = json.dumps({"inputs": inputs, **more})
    return predictor.ask("POST", path, content=body, headers={"content-type": "application/json"})


def infer_binary(
    predictor: Predictor, inputs: list[tuple[dict[str, Any], bytes]], *, length: object = None, **more: Any
) -> httpx.Response:
    """Ask with the tensors' data after the JSON; `length` goes into the header instead of the true one."""
    described = [{"parameters": {"binary_data_size": len(data)}, **about} for about, data in inputs]
    head = json.dumps({"inputs": described, **more}).encode()
    headers = {"inference-header-content-length": str(len(head) if length is None else length)}
    return predictor.ask("POST", INFER, content=head + b"".join(data for _, data in inputs), headers=headers)


def elements(*texts: bytes) -> bytes:
    """The data of a BYTES tensor."""
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def refusal(answer: httpx.Response, status: int, reason: str) -> dict[str, Any]:
    """The error of an answer, which has to have this status and reason."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-model-version"] == "v1.2.3"
    document: dict[str, Any] = answer.json()
    assert document["reason"] == reason
    assert document["request_id"] == answer.headers["x-request-id"]
    assert document["error"]
    return document

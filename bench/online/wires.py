"""The wire formats of the bench: rows to the bytes of one whole HTTP request, and an answer back to numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

MODEL = "bench"
VERSION = "1.0.0"
FEATURES = 20
JSON = {"content-type": "application/json"}
BINARY_LENGTH = "inference-header-content-length"


@dataclass(frozen=True)
class Wire:
    """`encode` takes rows [n, 20] to headers and body; `decode` takes an answer's headers and body to [n]."""

    path: str
    encode: Callable[[Any], tuple[Mapping[str, str], bytes]]
    decode: Callable[[Mapping[str, str], bytes], Any]

    def request(self, rows: Any) -> bytes:
        """The whole request, as it goes over the connection."""
        headers, body = self.encode(rows)
        lines = [f"POST {self.path} HTTP/1.1", "host: bench", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + body


def _predict(rows: Any) -> tuple[Mapping[str, str], bytes]:
    values = rows.tolist()
    return JSON, json.dumps({"features": values[0]} if len(values) == 1 else {"instances": values}).encode()


def _predictions(_: Mapping[str, str], body: bytes) -> Any:
    answer = orjson.loads(body)
    return np.array(answer["predictions"] if "predictions" in answer else [answer["prediction"]])


def _v1(rows: Any) -> tuple[Mapping[str, str], bytes]:
    return JSON, json.dumps({"instances": rows.tolist()}).encode()


def _v2_json(rows: Any) -> tuple[Mapping[str, str], bytes]:
    tensor = {"name": "features", "shape": list(rows.shape), "datatype": "FP32", "data": rows.ravel().tolist()}
    return JSON, json.dumps({"inputs": [tensor]}).encode()


def _v2_binary(rows: Any) -> tuple[Mapping[str, str], bytes]:
    data = rows.astype("<f4").tobytes()
    size = {"binary_data_size": len(data)}
    tensor = {"name": "features", "shape": list(rows.shape), "datatype": "FP32", "parameters": size}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    return {"content-type": "application/octet-stream", BINARY_LENGTH: str(len(head))}, head + data


def _v2_answer(headers: Mapping[str, str], body: bytes) -> Any:
    length = headers.get(BINARY_LENGTH)
    head = orjson.loads(body if length is None else body[: int(length)])
    output = head["outputs"][0]
    if length is None or "data" in output:
        return np.array(output["data"]).ravel()
    size = output["parameters"]["binary_data_size"]
    dtype = {"FP32": "<f4", "FP64": "<f8"}[output["datatype"]]
    return np.frombuffer(body[int(length) : int(length) + size], dtype)


WIRES = {
    "predict": Wire("/predict", _predict, _predictions),
    "V1": Wire(f"/v1/models/{MODEL}:predict", _v1, _predictions),
    "V2 JSON": Wire(f"/v2/models/{MODEL}/infer", _v2_json, _v2_answer),
    "V2 binary": Wire(f"/v2/models/{MODEL}/infer", _v2_binary, _v2_answer),
}

"""Runs in the environment of `kserve_client`: asks as KServe's documentation says, and prints what came as JSON.

Each line of its input is one order: `kind`, `address`, `model`, `binary`, `outputs`, and `inputs` with name, datatype,
shape and data.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import traceback
from typing import Any

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

# KServe logs to standard output, which is ours.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

NUMPY = {"FP32": np.float32, "FP64": np.float64, "INT64": np.int64, "BOOL": np.bool_, "BYTES": np.object_}


def request_of(order: dict[str, Any]) -> InferRequest:
    """The request as KServe's types have it."""
    inputs = []
    for given in order["inputs"]:
        tensor = InferInput(given["name"], given["shape"], given["datatype"])
        array = np.array(given["data"], NUMPY[given["datatype"]]).reshape(given["shape"])
        tensor.set_data_from_numpy(array, binary_data=order["binary"])
        inputs.append(tensor)
    outputs = [RequestedOutput(name) for name in order.get("outputs", [])] or None
    return InferRequest(model_name=order["model"], request_id="r-1", infer_inputs=inputs, request_outputs=outputs)


async def rest(order: dict[str, Any]) -> dict[str, Any]:
    """By HTTP."""
    base, model = order["address"], order["model"]
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        return {
            "live": await client.is_server_live(base),
            "ready": await client.is_server_ready(base),
            "model_ready": await client.is_model_ready(base, model),
            "other_ready": await client.is_model_ready(base, "other"),
            "answer": described(await client.infer(base, request_of(order), model_name=model)),
            "error": await error_of(client.infer(base, request_of(order), model_name="other")),
        }


async def grpc(order: dict[str, Any]) -> dict[str, Any]:
    """By gRPC."""
    async with InferenceGRPCClient(order["address"]) as client:
        return {
            "live": await client.is_server_live(),
            "ready": await client.is_server_ready(),
            "model_ready": await client.is_model_ready(order["model"]),
            "other_ready": False,
            "answer": described(await client.infer(request_of(order))),
            "error": await error_of(client.infer(request_of({**order, "model": "other"}))),
        }


def described(answer: Any) -> dict[str, Any]:
    """An answer's id, and its outputs by name as KServe makes numpy arrays of them."""
    outputs = {}
    for output in answer.outputs:
        values = output.as_numpy().tolist()
        outputs[output.name] = [value.decode() if isinstance(value, bytes) else value for value in values]
    return {"id": answer.id, "model": answer.model_name, "outputs": outputs}


async def error_of(call: Any) -> str:
    """What the client says of a call that has to fail."""
    try:
        await call
    except Exception as error:  # noqa: BLE001 whatever the client raises is what its user sees
        return str(error)
    return ""


for line in sys.stdin:
    order = json.loads(line)
    try:
        found = asyncio.run({"rest": rest, "grpc": grpc}[order["kind"]](order))
    except Exception:  # noqa: BLE001 the test that asked has to see it
        found = {"failed": traceback.format_exc()}
    print(json.dumps(found), file=answers, flush=True)

"""From gRPC's messages to the parts of an infer request, and from predictions to its answer; knows no server."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelloop_core.inference import Float64s
from modelloop_core.wire.predictions import Fault, FieldError
from modelloop_predictor.parsing import shown
from modelloop_predictor.problems import INVALID, ProblemError
from modelloop_predictor.v2.contract import (
    BINARY_DATA,
    BINARY_OUTPUT,
    BINARY_SIZE,
    Contract,
    Inference,
    Wanted,
    flag,
    refuse_unknown,
)
from modelloop_predictor.v2.json_data import RANGES
from modelloop_predictor.v2.open_inference_pb2 import ModelInferRequest, ModelInferResponse
from modelloop_predictor.v2.tensors import NUMBERS, TEXT, Tensor, from_bytes, refused

_CONTENTS: Mapping[str, str] = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Where typed contents of a datatype are."""


@dataclass(frozen=True, slots=True)
class _Output:
    name: str
    parameters: Mapping[str, Any]


def read(request: ModelInferRequest, contract: Contract) -> Inference:
    """The request held against the signature; raises 422."""
    contract.check_parameters(request.parameters)
    parameters = _values(request.parameters)
    raw = flag(parameters, BINARY_OUTPUT, "", bool(request.raw_input_contents))
    contract.check_inputs(request.inputs)
    contract.check_outputs(len(request.outputs))
    asked = [_asked(output) for output in request.outputs]
    return Inference(
        rows=contract.rows(_tensors(request)),
        id=request.id or None,
        entity=contract.entity(parameters),
        outputs=_all_or_none(contract.wanted(asked, raw)),
    )


def write(scores: Float64s, inference: Inference, contract: Contract, request_id: str) -> ModelInferResponse:
    """The answer; `request_id` is its id where the request had none."""
    answer = ModelInferResponse(
        model_name=contract.model_name,
        model_version=contract.version_name,
        id=inference.id if inference.id is not None else request_id,
    )
    for wanted in inference.outputs:
        tensor = contract.output(wanted.name, scores)
        output = answer.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        if wanted.binary:
            answer.raw_output_contents.append(tensor.to_bytes())
        elif isinstance(tensor.values, np.ndarray):
            output.contents.fp64_contents.extend(tensor.values.tolist())
        else:
            output.contents.bytes_contents.extend(str(text).encode() for text in tensor.values)
    return answer


def _asked(output: ModelInferRequest.InferRequestedOutputTensor) -> _Output:
    # Its values are looked at one by one, so not those of parameters that nobody knows.
    refuse_unknown(output.parameters, (BINARY_DATA,), f"outputs.{shown(output.name)}.")
    return _Output(output.name, _values(output.parameters))


def _values(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as Python's own values; one without a value is None."""
    found = {}
    for key, parameter in parameters.items():
        chosen = parameter.WhichOneof("parameter_choice")
        found[key] = None if chosen is None else getattr(parameter, chosen)
    return found


def _all_or_none(outputs: tuple[Wanted, ...]) -> tuple[Wanted, ...]:
    if len({output.binary for output in outputs}) > 1:
        message = "gRPC answers with raw contents for all outputs or for none; give each the same binary_data"
        raise ProblemError(INVALID, message, [FieldError(field="outputs", message=message)])
    return outputs


def _tensors(request: ModelInferRequest) -> list[Tensor]:
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        message = f"there are {len(request.inputs)} inputs, but {len(raw)} raw_input_contents"
        raise ProblemError(INVALID, message, [FieldError(field="raw_input_contents", message=message)])
    tensors = []
    for position, given in enumerate(request.inputs):
        _check_size(given, len(raw[position]) if raw else None)
        if not raw:
            tensors.append(_from_contents(given))
        elif given.HasField("contents"):
            raise refused(given.name, "has both contents and raw_input_contents")
        else:
            tensors.append(from_bytes(given.name, given.datatype, list(given.shape), memoryview(raw[position])))
    return tensors


def _check_size(given: ModelInferRequest.InferInputTensor, size: int | None) -> None:
    """Some clients say by gRPC too how long raw contents are; then it has to be true."""
    if not given.parameters:
        return
    refuse_unknown(given.parameters, (BINARY_SIZE,), f"inputs.{given.name}.")
    said = _values(given.parameters)[BINARY_SIZE]
    if said != size:
        found = "there are no raw contents" if size is None else f"its raw contents have {size} bytes"
        raise refused(given.name, f"{BINARY_SIZE} is {said!r}, but {found}")


def _from_contents(given: ModelInferRequest.InferInputTensor) -> Tensor:
    shape = tuple(given.shape)
    count = math.prod(shape)
    field = _CONTENTS[given.datatype]
    others = [other.name for other, _ in given.contents.ListFields() if other.name != field]
    if others:
        raise refused(given.name, f"the data of {given.datatype} is in {field}; found {', '.join(others)}")
    values: Sequence[Any] = getattr(given.contents, field)
    if len(values) != count:
        raise refused(
            given.name, f"{given.datatype} {list(shape)} has {count} elements, found {len(values)} in {field}"
        )
    if given.datatype == TEXT:
        return Tensor(given.name, TEXT, shape, list(values))
    try:
        return Tensor(given.name, given.datatype, shape, np.fromiter(values, dtype=NUMBERS[given.datatype]))
    except OverflowError:
        low, high = RANGES[given.datatype]
        value = next(value for value in values if not low <= value <= high)
        raise refused(given.name, f"{value} is no {given.datatype}", fault=Fault.WRONG_TYPE) from None

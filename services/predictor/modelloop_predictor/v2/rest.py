"""From the bytes of an infer request to its parts, and from predictions to the bytes of the answer; knows no framework.

With the binary extension the JSON comes first, as long as `inference-header-content-length` says; the tensors that have
a `binary_data_size` follow in their order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import orjson

from modelloop_core.inference import Float64s
from modelloop_core.wire.predictions import FieldError
from modelloop_predictor.collecting import collecting_nothing
from modelloop_predictor.names import repeated_name
from modelloop_predictor.parsing import check_content_type, shown
from modelloop_predictor.problems import INVALID, MALFORMED, ProblemError
from modelloop_predictor.v2.contract import BINARY_OUTPUT, BINARY_SIZE, Contract, Inference, flag, refuse_unknown
from modelloop_predictor.v2.json_data import from_json
from modelloop_predictor.v2.tensors import Tensor, from_bytes, refused

LENGTH_HEADER = "inference-header-content-length"
JSON_TYPE = "application/json"
BINARY_TYPE = "application/octet-stream"

Parameters = dict[str, bool | int | float | str]

_JSON_NAMES = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}
_JSON_HEADERS: Mapping[str, str] = {"content-type": JSON_TYPE}


class InferInput(msgspec.Struct, forbid_unknown_fields=True):
    """An input tensor: `data` in JSON, or `binary_data_size` among its parameters."""

    name: str
    shape: list[int]
    datatype: str
    parameters: Parameters = {}
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class InferRequestedOutput(msgspec.Struct, forbid_unknown_fields=True):
    """An output to answer with; `binary_data` among its parameters says how."""

    name: str
    parameters: Parameters = {}


class InferRequest(msgspec.Struct, forbid_unknown_fields=True):
    """An infer request; `model_name`, which some clients send as well, has to be the one in the address."""

    inputs: list[InferInput]
    id: str | None = None
    model_name: str | None = None
    parameters: Parameters = {}
    outputs: list[InferRequestedOutput] = []


class Parsed(NamedTuple):
    """A request that is one by its form; `data` are the bytes after its JSON, None where the whole body is JSON."""

    request: InferRequest
    data: memoryview | None


class RestCodec:
    """Reads infer requests for one version and writes their answers; plain functions, safe from any thread."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._decoder = msgspec.json.Decoder(InferRequest)

    def parse(self, body: bytes, json_length: int | None) -> Parsed:
        """The request in `body`, whose first `json_length` bytes are JSON (all when None); raises 400 and 422."""
        whole = memoryview(body)
        if json_length is None:
            return Parsed(self._decode(whole), None)
        if json_length > len(body):
            raise ProblemError(MALFORMED, f"{LENGTH_HEADER} is {json_length}, but the body has {len(body)} bytes")
        return Parsed(self._decode(whole[:json_length]), whole[json_length:])

    def read(self, parsed: Parsed) -> Inference:
        """The request held against the signature; raises 400 and 422."""
        request, contract = parsed.request, self._contract
        if request.model_name not in (None, contract.model_name):
            raise _invalid("model_name", f"{shown(request.model_name or '')!r} is not the model of this address")
        contract.check_inputs(request.inputs)
        binary = flag(request.parameters, BINARY_OUTPUT, "", False)
        return Inference(
            rows=contract.rows(_tensors(request.inputs, parsed.data)),
            id=request.id,
            entity=contract.entity(request.parameters),
            outputs=contract.wanted(request.outputs, binary),
        )

    def write(self, scores: Float64s, inference: Inference, request_id: str) -> tuple[bytes, Mapping[str, str]]:
        """The answer's body and its headers; `request_id` is its id where the request had none."""
        outputs, binary = [], []
        for wanted in inference.outputs:
            tensor = self._contract.output(wanted.name, scores)
            described: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
            if wanted.binary:
                binary.append(tensor.to_bytes())
                described["parameters"] = {BINARY_SIZE: len(binary[-1])}
            else:
                described["data"] = tensor.values
            outputs.append(described)
        document = {
            "model_name": self._contract.model_name,
            "model_version": self._contract.version_name,
            "id": inference.id if inference.id is not None else request_id,
            "outputs": outputs,
        }
        head = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
        if not binary:
            return head, _JSON_HEADERS
        return b"".join([head, *binary]), {"content-type": BINARY_TYPE, LENGTH_HEADER: str(len(head))}

    def _decode(self, text: memoryview) -> InferRequest:
        try:
            with collecting_nothing(len(text)):
                request = self._decoder.decode(text)
        except msgspec.ValidationError as error:
            message, _, path = str(error).partition(" - at `$")
            raise _invalid(path.rstrip("`").lstrip(".") or "request", in_json_terms(message)) from None
        except UnicodeDecodeError:
            raise ProblemError(MALFORMED, "the JSON is not UTF-8") from None
        except (msgspec.DecodeError, RecursionError) as error:
            raise ProblemError(MALFORMED, "the body is empty" if not bytes(text).strip() else str(error)) from None
        if (name := repeated_name(bytes(text), _names_of(request))) is not None:
            raise _invalid(shown(name), "is there twice in one object; which value is meant cannot be told")
        return request


def json_length(header: str | None) -> int | None:
    """The length of a request's JSON from its header; None without one, 400 for what is no length."""
    if header is None:
        return None
    if not header.isascii() or not header.isdigit() or len(header) > 18:
        raise ProblemError(MALFORMED, f"{LENGTH_HEADER} is {shown(header)!r}, not a number of bytes")
    return int(header)


def _names_of(request: InferRequest) -> int:
    """How many names the objects of the request's JSON have at least."""
    parts: list[InferInput | InferRequestedOutput] = [*request.inputs, *request.outputs]
    described = [request.parameters, *(part.parameters for part in parts)]
    return (
        1
        + sum(map(bool, (request.id, request.model_name, request.outputs, *described)))
        + sum(3 + (given.data is not msgspec.UNSET) for given in request.inputs)
        + len(request.outputs)
        + sum(map(len, described))
    )


def check_infer_type(content_type: str | None, content_encoding: str | None, length: int | None) -> None:
    """Raise 415 unless the body is declared as what it is: JSON, or JSON of `length` bytes with tensors after it."""
    # Bytes after the JSON are no JSON; clients call the whole by either name, or by none.
    declared = (content_type or "").partition(";")[0].strip().lower()
    check_content_type(None if length is not None and declared == BINARY_TYPE else content_type, content_encoding)


def _tensors(inputs: Sequence[InferInput], data: memoryview | None) -> list[Tensor]:
    tensors, start = [], 0
    for given in inputs:
        refuse_unknown(given.parameters, (BINARY_SIZE,), f"inputs.{shown(given.name)}.")
        size = given.parameters.get(BINARY_SIZE)
        if size is None:
            if given.data is msgspec.UNSET:
                raise refused(given.name, f"has neither data nor {BINARY_SIZE}")
            tensors.append(from_json(given.name, given.datatype, given.shape, given.data))
            continue
        end = start + _checked_size(given, size, 0 if data is None else len(data) - start)
        tensors.append(from_bytes(given.name, given.datatype, given.shape, (data or memoryview(b""))[start:end]))
        start = end
    if data is not None and start != len(data):
        raise _invalid("inputs", f"{len(data) - start} bytes after the JSON belong to no tensor")
    return tensors


def _checked_size(given: InferInput, size: object, left: int) -> int:
    if given.data is not msgspec.UNSET:
        raise refused(given.name, f"has both data and {BINARY_SIZE}")
    if type(size) is not int or size < 0:
        raise refused(given.name, f"{BINARY_SIZE} is {size!r}, not a number of bytes"[:80])
    if size > left:
        raise refused(
            given.name, f"{BINARY_SIZE} is {size}, but {left} bytes are left; is {LENGTH_HEADER} right?"[:160]
        )
    return size


def in_json_terms(message: str) -> str:
    """The decoder's message with JSON's names of types instead of Python's."""
    return re.sub(r"\b(str|int|float|bool)\b", lambda found: _JSON_NAMES[found[0]], message)


def _invalid(field: str, message: str) -> ProblemError:
    return ProblemError(INVALID, f"{field}: {message}", [FieldError(field=field, message=message)])

"""The protocol's part of the OpenAPI document, from the types that read and write it."""

from __future__ import annotations

from typing import Any

import msgspec

from modelloop_predictor.v2 import model, rest
from modelloop_predictor.v2.contract import Contract

Schema = dict[str, Any]

_REFERENCE = "#/components/schemas/{name}"


class InferOutput(msgspec.Struct, omit_defaults=True):
    """An output tensor: `data` in JSON, or `binary_data_size` among its parameters."""

    name: str
    datatype: str
    shape: list[int]
    parameters: rest.Parameters = {}
    data: list[float | str] | msgspec.UnsetType = msgspec.UNSET


class InferAnswer(msgspec.Struct):
    """The answer to an infer request."""

    model_name: str
    model_version: str
    id: str
    outputs: list[InferOutput]


class InferError(msgspec.Struct, omit_defaults=True):
    """An error; `reason` is one word for programs, `errors` names the tensors of a 422."""

    error: str
    reason: str
    request_id: str
    errors: list[dict[str, str]] = []


_TYPES = (
    rest.InferRequest,
    InferAnswer,
    InferError,
    model.ServerMetadata,
    model.ModelMetadata,
    model.ModelReady,
    model.Ready,
    model.Live,
    model.IndexEntry,
)
_ALWAYS = (500,)
_INFER_ERRORS = (400, 404, 408, 413, 415, 422, 500, 503, 504)


def _content(kind: Any) -> Schema:
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REFERENCE)
    return {rest.JSON_TYPE: {"schema": schema}}


def answers(kind: Any, *errors: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that answers with `kind`, or with one of `errors`."""
    described: dict[int | str, dict[str, Any]] = {200: {"description": "The answer", "content": _content(kind)}}
    for status in (*errors, *_ALWAYS):
        described[status] = {"description": "An error", "content": _content(InferError)}
    return described


def infer_answers() -> dict[int | str, dict[str, Any]]:
    """The `responses` of infer."""
    described = answers(InferAnswer, *_INFER_ERRORS)
    described[200]["content"][rest.BINARY_TYPE] = {"schema": {"type": "string", "format": "binary"}}
    return described


INDEX: Schema = {
    "requestBody": {
        "required": False,
        "content": {
            rest.JSON_TYPE: {
                "schema": {
                    "type": "object",
                    "properties": {"ready": {"type": "boolean"}},
                    "additionalProperties": False,
                }
            },
        },
    }
}
INFER: Schema = {
    "parameters": [
        {
            "name": rest.LENGTH_HEADER,
            "in": "header",
            "required": False,
            "schema": {"type": "integer"},
            "description": "With binary tensors: the bytes of the JSON, which they follow.",
        }
    ],
    "requestBody": {
        "required": True,
        "content": {
            **_content(rest.InferRequest),
            rest.BINARY_TYPE: {"schema": {"type": "string", "format": "binary"}},
        },
    },
}


def add_schemas(document: Schema) -> None:
    """Put what the routes refer to into the document, and take out what FastAPI only supposes of them."""
    _, components = msgspec.json.schema_components(_TYPES, ref_template=_REFERENCE)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(components)
    for operations in document["paths"].values():
        for operation in operations.values():
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)


def add_example(document: Schema, contract: Contract, example: Schema) -> None:
    """Show a valid request of this version beside the schema of infer."""
    inputs = [
        {"name": spec.name, "datatype": spec.datatype, "shape": [1], "data": [example[spec.name]]}
        for spec in contract.column_inputs
    ]
    for path, operations in document["paths"].items():
        if path.endswith("/infer"):
            content = operations["post"]["requestBody"]["content"][rest.JSON_TYPE]
            content["examples"] = {"one row": {"value": {"id": "12345", "inputs": inputs}}}

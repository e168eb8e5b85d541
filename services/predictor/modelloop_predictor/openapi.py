"""The schema of `POST /predict` from a version's signature."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, assert_never

from modelloop_core.feature_schema import CategoricalFeature, Feature, NumericFeature
from modelloop_core.wire.predictions import PROBLEM_TYPE, REQUEST_ID_PATTERN, PredictRequest
from modelloop_predictor.edge import PREDICT_PATH, V2_PATH
from modelloop_predictor.parsing import LONGEST_ENTITY
from modelloop_predictor.typed_rows import LARGEST_FLOAT32
from modelloop_predictor.v2.openapi import add_example, add_schemas
from modelloop_predictor.version import LoadedVersion

Schema = dict[str, Any]


def describe_request(document: Schema, version: LoadedVersion | None, entity_key: str) -> None:
    """Write the request's schema and an example into an OpenAPI document."""
    content: Schema = {
        "schema": PredictRequest.model_json_schema() if version is None else _request(version, entity_key)
    }
    if version is not None:
        content["examples"] = {
            "one row": {"value": {entity_key: "12345", "features": version.example}},
            "many rows": {"value": {"instances": [list(version.example.values()), version.example]}},
        }
    body = {"required": True, "content": {"application/json": content}}
    document["paths"][PREDICT_PATH]["post"]["requestBody"] = body
    add_schemas(document)
    if version is not None:
        add_example(document, version.contract, version.example)
    for path, operations in document["paths"].items():
        if path.startswith(V2_PATH):
            continue
        for operation in operations.values():
            _declare_problems(operation["responses"])


def feature_schema(feature: Feature) -> Schema:
    """JSON Schema of one feature's value."""
    match feature:
        case NumericFeature(dtype="bool"):
            return {"enum": [True, False, 0, 1, *([None] if feature.nullable else [])]}
        case NumericFeature():
            kind = "integer" if feature.dtype == "int64" else "number"
            low = -LARGEST_FLOAT32 if feature.minimum is None else feature.minimum
            high = LARGEST_FLOAT32 if feature.maximum is None else feature.maximum
            return {"type": [kind, "null"] if feature.nullable else kind, "minimum": low, "maximum": high}
        case CategoricalFeature():
            if feature.open:
                kinds = ["string", "number", "boolean", *(["null"] if feature.nullable else [])]
                return {"type": kinds, "examples": list(feature.levels[:10])}
            return {"enum": [*_spellings(feature.levels), *([None] if feature.nullable else [])]}
        case _:
            assert_never(feature)


def _spellings(levels: Sequence[str]) -> Iterator[str | bool | int]:
    """Each level as a text, and as the number or the truth value that is compared as that text."""
    for level in levels:
        yield level
        if level in ("true", "false"):
            yield level == "true"
        elif re.fullmatch(r"0|-?[1-9]\d{0,14}", level, re.ASCII):
            yield int(level)


def _declare_problems(responses: Schema) -> None:
    # FastAPI documents the model of an error as application/json, whatever is declared beside it.
    for status, response in responses.items():
        if not status.startswith("2") and "application/json" in response.get("content", {}):
            response["content"] = {PROBLEM_TYPE: response["content"]["application/json"]}


def _request(version: LoadedVersion, entity_key: str) -> Schema:
    inputs = version.manifest.signature.inputs
    by_name = {
        "type": "object",
        "properties": {feature.name: feature_schema(feature) for feature in inputs},
        "required": [feature.name for feature in inputs],
        "additionalProperties": False,
    }
    in_order = {
        "type": "array",
        "prefixItems": [{"title": feature.name, **feature_schema(feature)} for feature in inputs],
        "minItems": len(inputs),
        "maxItems": len(inputs),
    }
    row = {"oneOf": [by_name, in_order]}
    properties = {
        "features": row,
        "instances": {"type": "array", "minItems": 1, "items": row},
        "request_id": {"type": ["string", "null"], "pattern": REQUEST_ID_PATTERN},
        entity_key: {
            "type": ["string", "integer", "null"],
            "minLength": 1,
            "maxLength": LONGEST_ENTITY,
            "minimum": -(2**63),
            "maximum": 2**64 - 1,
            "description": "Whom the prediction is about.",
        },
    }
    alternatives = [{"required": ["features"]}, {"required": ["instances"]}]
    return {"type": "object", "properties": properties, "additionalProperties": False, "oneOf": alternatives}

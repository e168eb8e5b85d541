"""The bodies that pages read by themselves, for the OpenAPI document: FastAPI knows only those that it reads."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from modelloop_core.wire.profiles import ProfilePost
from modelloop_core.wire.settings import ModelSettings
from modelloop_core.wire.watching import SilencePost

BODIES: tuple[type[BaseModel], ...] = (ProfilePost, ModelSettings, SilencePost)
_PLACE = "#/components/schemas/{model}"


def body_of(kind: type[BaseModel]) -> dict[str, Any]:
    """What a route says of a body of this type, which is one of BODIES."""
    schema = {"$ref": _PLACE.format(model=kind.__name__)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


class Documented(FastAPI):
    """FastAPI whose document has the types of BODIES."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        document = super().openapi()
        _, schemas = models_json_schema([(kind, "validation") for kind in BODIES], ref_template=_PLACE)
        parts = document.setdefault("components", {}).setdefault("schemas", {})
        for name, schema in schemas.get("$defs", {}).items():
            parts.setdefault(name, schema)
        return document

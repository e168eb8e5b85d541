"""The bodies that pages read by themselves, for the OpenAPI document: FastAPI knows only those that it reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from modelloop_core.wire.erasure import ErasurePost
from modelloop_core.wire.feedback import EventsPost, FeedbackPost, SingleEvent, SingleFeedback
from modelloop_core.wire.profiles import ProfilePost
from modelloop_core.wire.rollouts import ModelRollouts
from modelloop_core.wire.settings import ModelSettings
from modelloop_core.wire.watching import SilencePost

BODIES: tuple[type[BaseModel], ...] = (
    ProfilePost,
    ModelSettings,
    ModelRollouts,
    SilencePost,
    ErasurePost,
    FeedbackPost,
    SingleFeedback,
    EventsPost,
    SingleEvent,
)
_PLACE = "#/components/schemas/{model}"


def body_of(*kinds: type[BaseModel], others: Sequence[str] = ()) -> dict[str, Any]:
    """What a route says of a body of one of these types, each among BODIES; `others` are types of content as files."""
    references = [{"$ref": _PLACE.format(model=kind.__name__)} for kind in kinds]
    schema = references[0] if len(references) == 1 else {"oneOf": references}
    files = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in others}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}, **files}}}


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

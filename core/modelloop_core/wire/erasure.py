"""`POST /v1/models/{namespace}/{name}/erasures`: end what the monitor keeps about one entity."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from modelloop_core.wire.reports import MODELS_PATH

# No database keeps a NUL, so nothing is about such a one.
Entity = Annotated[str, Field(min_length=1, max_length=256, pattern="^[^\\x00]*$")]


class ErasurePost(BaseModel):
    """Whom the predictions are about, as requests named it. In a body, as addresses end up in logs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entity: Entity


class Erasure(BaseModel):
    """How many rows went: logged predictions, and the labels and events that were told of them."""

    # Not "forbid": a reader of an older release goes on when a newer monitor says more.
    model_config = ConfigDict(frozen=True)

    predictions: int
    feedback: int
    events: int


def erasures_path(namespace: str, name: str) -> str:
    """Where an entity of a model is erased."""
    return f"{MODELS_PATH}/{namespace}/{name}/erasures"

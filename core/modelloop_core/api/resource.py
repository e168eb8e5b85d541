"""The MLModel object as the API server holds it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from modelloop_core.api.spec import MLModelSpec
from modelloop_core.api.status import MLModelStatus

GROUP = "modelloop.dev"
VERSION = "v1alpha1"
PLURAL = "mlmodels"
KIND = "MLModel"
NAME_LENGTH = 40


class Metadata(BaseModel):
    """The part of an object's metadata that decisions use."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    namespace: str
    uid: str
    generation: int = 0
    resourceVersion: str = ""
    deletionTimestamp: str | None = None
    annotations: dict[str, str] = Field(default_factory=dict)


class MLModel(BaseModel):
    """One MLModel, parsed; raises pydantic.ValidationError when spec is not valid."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    metadata: Metadata
    spec: MLModelSpec
    status: MLModelStatus = MLModelStatus()

    @classmethod
    def parse(cls, body: dict[str, Any]) -> MLModel:
        """Read an object of the API server."""
        return cls.model_validate(body)

"""`spec.serving.pod` of an MLModel: placement of the predictor's pods and additions to them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from modelloop_core.api.env import EnvVar
from modelloop_core.api.fields import (
    QUALIFIED_KEYS,
    AnnotationMap,
    APIObject,
    LabelMap,
    ObjectName,
    keyed_by,
    rules,
)
from modelloop_core.api.placement import Affinity, Toleration
from modelloop_core.api.volumes import Volume

_RESERVED = "!k.startsWith('modelloop.dev/') && !k.startsWith('app.kubernetes.io/')"


class Pod(APIObject):
    """What the cluster needs to know to place and run the predictor's pods."""

    nodeSelector: LabelMap = Field(
        default={}, description="Labels a node must have.", json_schema_extra=rules(QUALIFIED_KEYS)
    )
    tolerations: Annotated[list[Toleration], Field(max_length=16)] = Field(
        default=[], description="Taints of nodes that the pods put up with."
    )
    affinity: Affinity | None = Field(
        default=None, description="Where the pods must and should run; absent means spread over nodes and zones."
    )
    env: Annotated[list[EnvVar], Field(max_length=64)] = Field(
        default=[], description="More environment variables.", json_schema_extra=keyed_by("name")
    )
    volumes: Annotated[list[Volume], Field(max_length=16)] = Field(
        default=[],
        description="More volumes, mounted.",
        json_schema_extra=rules(
            (
                "self.all(v, self.exists_one(w, w.mountPath == v.mountPath))",
                "two volumes have the same mountPath",
            ),
            **keyed_by("name"),
        ),
    )
    labels: LabelMap = Field(
        default={},
        description="More labels of the pods.",
        json_schema_extra=rules(
            QUALIFIED_KEYS,
            (f"self.all(k, {_RESERVED})", "modelloop.dev/ and app.kubernetes.io/ labels are the operator's"),
        ),
    )
    annotations: AnnotationMap = Field(
        default={},
        description="More annotations of the pods.",
        json_schema_extra=rules(
            QUALIFIED_KEYS,
            (f"self.all(k, {_RESERVED})", "modelloop.dev/ and app.kubernetes.io/ annotations are the operator's"),
        ),
    )
    imagePullSecrets: Annotated[list[ObjectName], Field(max_length=8)] = Field(
        default=[],
        description="Names of Secrets with registry credentials.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    serviceAccountName: ObjectName | None = Field(
        default=None, description="An existing service account; absent means one made for this model, without rights."
    )
    priorityClassName: ObjectName | None = Field(default=None, description="Priority class of the pods.")

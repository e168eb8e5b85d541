"""`spec.serving.pod` of an MLModel: placement of the predictor's pods and additions to them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from modelloop_core.api.fields import (
    PASSED_THROUGH,
    QUALIFIED_KEYS,
    AnnotationMap,
    APIObject,
    LabelMap,
    ObjectName,
    keyed_by,
    rules,
)

_RESERVED = "!k.startsWith('modelloop.dev/') && !k.startsWith('app.kubernetes.io/')"
_FILE_NAME = r"\.{0,2}[A-Za-z0-9_-][A-Za-z0-9._-]*"
# What the image runs from, what the operator mounts, and the folders above them.
_TAKEN = (
    "tmp|bin|sbin|lib|lib64|proc|sys|dev|usr(/bin|/sbin|/lib|/local(/.*)?)?|opt(/modelloop(/.*)?|/project(/.*)?)?"
    "|etc(/modelloop(/.*)?)?|var(/cache(/modelloop(/.*)?)?)?"
)


class EnvVar(APIObject):
    """One environment variable of the predictor's container."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("!(has(self.value) && has(self.valueFrom))", "give value or valueFrom, not both"),
            (
                "!self.name.startsWith('MODELLOOP_') && !self.name.startsWith('AWS_')",
                "names that begin with MODELLOOP_ or AWS_ are set by the operator",
            ),
        )
    )

    name: str = Field(min_length=1, max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="Variable name.")
    value: str | None = Field(default=None, max_length=4096, description="Its value.")
    valueFrom: dict[str, Any] | None = Field(
        default=None,
        description="A source as in a pod: secretKeyRef, configMapKeyRef, fieldRef.",
        json_schema_extra={**PASSED_THROUGH, "minProperties": 1, "maxProperties": 1},
    )


class Volume(APIObject):
    """A volume and where the predictor sees it."""

    name: str = Field(max_length=50, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", description="Name, unique in the pod.")
    mountPath: str = Field(
        max_length=256,
        pattern=rf"^(/{_FILE_NAME})+$",
        description="Absolute path in the container, for example /data; not one that the image or the operator uses.",
        json_schema_extra=rules(
            (
                f"!self.matches('^/({_TAKEN})$')",
                "mountPath is one that the predictor needs (/tmp, /var/cache/modelloop, /etc, /usr …): take another, "
                "for example /data",
            )
        ),
    )
    readOnly: bool = Field(default=True, description="Whether the predictor may only read it.")
    source: dict[str, Any] = Field(
        description="A source as in a pod, for example configMap, secret, persistentVolumeClaim, csi.",
        json_schema_extra={**PASSED_THROUGH, "minProperties": 1, "maxProperties": 1},
    )


class Pod(APIObject):
    """What the cluster needs to know to place and run the predictor's pods."""

    nodeSelector: LabelMap = Field(
        default={}, description="Labels a node must have.", json_schema_extra=rules(QUALIFIED_KEYS)
    )
    tolerations: Annotated[
        list[Annotated[dict[str, Any], Field(json_schema_extra=PASSED_THROUGH)]], Field(max_length=16)
    ] = Field(default=[], description="Taints the pods put up with, as in a pod.")
    affinity: dict[str, Any] | None = Field(
        default=None,
        description="Affinity as in a pod; absent means spread over nodes and zones.",
        json_schema_extra=PASSED_THROUGH,
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

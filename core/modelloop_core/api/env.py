"""`spec.serving.pod.env` of an MLModel: more variables of the predictor and where their values come from."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import ConfigDict, Field

from modelloop_core.api.fields import (
    QUALIFIED_NAME,
    APIObject,
    KeyOfMap,
    OneOf,
    Quantity,
    ReferenceName,
    rules,
)

CONTAINER = "predictor"
_POD_FIELDS = [
    *(f"metadata.{name}" for name in ("name", "namespace", "uid")),
    *(f"spec.{name}" for name in ("nodeName", "serviceAccountName")),
    *(f"status.{name}" for name in ("hostIP", "hostIPs", "podIP", "podIPs")),
]
_POD_FIELD = rf"^({'|'.join(map(re.escape, _POD_FIELDS))}|metadata\.(labels|annotations)\['{QUALIFIED_NAME}'\])$"
# The patterns are exact. A rule as exact would cost more than the API server allows; it is there for its message.
SUBSCRIPTED = 'self.startsWith("metadata.labels[\'") || self.startsWith("metadata.annotations[\'")'
_STORAGE_DIVISORS = "['0', '1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei']"


class SecretKey(APIObject):
    """A key of a Secret of this namespace."""

    name: ReferenceName = Field(description="Name of the Secret.")
    key: KeyOfMap = Field(description="Key whose value is taken.")
    optional: bool | None = Field(default=None, description="Whether the pod starts without it.")


class ConfigMapKey(APIObject):
    """A key of a ConfigMap of this namespace."""

    name: ReferenceName = Field(description="Name of the ConfigMap.")
    key: KeyOfMap = Field(description="Key whose value is taken.")
    optional: bool | None = Field(default=None, description="Whether the pod starts without it.")


class PodField(APIObject):
    """A field of the pod itself, as a variable can hold it."""

    apiVersion: Literal["v1"] | None = Field(default=None, description="Version of the path; v1 when absent.")
    fieldPath: str = Field(
        max_length=384,
        pattern=_POD_FIELD,
        description="Path of the field, for example metadata.name, status.podIP or metadata.labels['team'].",
        json_schema_extra=rules(
            (
                f"self in {_POD_FIELDS} || {SUBSCRIPTED}",
                "a variable can hold metadata.name, .namespace, .uid, .labels['KEY'], .annotations['KEY'], "
                "spec.nodeName, .serviceAccountName, status.hostIP, .hostIPs, .podIP, .podIPs",
            )
        ),
    )


class ContainerResource(APIObject):
    """An amount that the predictor's container requests or is limited to."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.divisor) || (self.resource.endsWith('.cpu') ? string(self.divisor) in ['0', '1', '1m'] "
                f": string(self.divisor) in {_STORAGE_DIVISORS})",
                "divisor is 1 or 1m for CPU, else 1 or 1 with one of k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei",
            )
        )
    )

    containerName: Literal["predictor"] | None = Field(
        default=None, description=f"The pod's only container, {CONTAINER}; a file of a volume must name it."
    )
    resource: str = Field(
        max_length=128,
        pattern=r"^(limits|requests)[.](cpu|memory|ephemeral-storage|hugepages-[0-9]+[KMG]i)$",
        description="limits or requests, a point, and cpu, memory, ephemeral-storage or hugepages-SIZE.",
    )
    divisor: Quantity | None = Field(default=None, description="What the amount is divided by, for example 1Mi.")


class EnvSource(OneOf):
    """Where a variable's value comes from: exactly one of these."""

    secretKeyRef: SecretKey | None = Field(default=None, description="A key of a Secret of this namespace.")
    configMapKeyRef: ConfigMapKey | None = Field(default=None, description="A key of a ConfigMap of this namespace.")
    fieldRef: PodField | None = Field(default=None, description="A field of the pod, for example its name.")
    resourceFieldRef: ContainerResource | None = Field(
        default=None, description="An amount of CPU or memory that the container has."
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
    valueFrom: EnvSource | None = Field(default=None, description="Where its value comes from, instead of value.")

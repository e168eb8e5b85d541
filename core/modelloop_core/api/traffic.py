"""`spec.traffic` of an MLModel: how callers outside the cluster reach it."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from modelloop_core.api.fields import (
    QUALIFIED_KEYS,
    AnnotationMap,
    APIObject,
    HostName,
    HostPattern,
    NamespaceName,
    ObjectName,
    rules,
)

_SEGMENT = r"\.{0,2}[A-Za-z0-9_~-][A-Za-z0-9._~-]*"
# `namespace` is a reserved word of CEL.
_NAMESPACE = "(has({0}.__namespace__) ? {0}.__namespace__ : '')"
_SAME_GATEWAY = f"q.name == p.name && {_NAMESPACE.format('q')} == {_NAMESPACE.format('p')}"
_NO_ADDRESS = ("!self.matches('^[0-9.]+$')", "give a host name, not an IP address")


class ParentRef(APIObject):
    """A Gateway (or one listener of it) that carries this model's traffic."""

    name: ObjectName = Field(description="Name of the Gateway.")
    namespace: NamespaceName | None = Field(default=None, description="Its namespace; absent means this one.")
    sectionName: ObjectName | None = Field(default=None, description="One listener; absent means all.")


class Gateway(APIObject):
    """An HTTPRoute that the operator owns whole: exact weights, no pod restarts when traffic moves."""

    parentRefs: Annotated[list[ParentRef], Field(min_length=1, max_length=8)] = Field(
        description="Gateways to attach to.",
        json_schema_extra=rules(
            (
                f"self.all(p, self.filter(q, {_SAME_GATEWAY}).size() == 1 || (has(p.sectionName) && "
                f"self.exists_one(q, {_SAME_GATEWAY} && has(q.sectionName) && q.sectionName == p.sectionName)))",
                "a Gateway stands once, or several times each with another sectionName",
            ),
            **{"x-kubernetes-list-type": "atomic"},
        ),
    )
    hostnames: Annotated[
        list[Annotated[HostPattern, Field(json_schema_extra=rules(_NO_ADDRESS))]], Field(max_length=16)
    ] = Field(
        default=[],
        description="Host names to answer to; empty means all.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    path: str | None = Field(
        default=None,
        max_length=256,
        pattern=rf"^/({_SEGMENT}(/{_SEGMENT})*)?$",
        description="Path prefix, stripped before the predictor sees it; absent means / with hostnames, "
        "else /NAMESPACE/NAME.",
    )


class Ingress(APIObject):
    """An Ingress to the Service of the live version: all traffic moves at once."""

    className: ObjectName | None = Field(default=None, description="Ingress class; absent means the cluster's default.")
    host: HostName = Field(description="Host name this model answers to.", json_schema_extra=rules(_NO_ADDRESS))
    annotations: AnnotationMap = Field(
        default={}, description="Annotations for the Ingress controller.", json_schema_extra=rules(QUALIFIED_KEYS)
    )


class Traffic(APIObject):
    """How callers outside the cluster reach the model; empty means only its Service, inside."""

    model_config = ConfigDict(
        json_schema_extra=rules(("!(has(self.gateway) && has(self.ingress))", "give gateway or ingress, not both"))
    )

    gateway: Gateway | None = Field(default=None, description="Gateway API route.")
    ingress: Ingress | None = Field(default=None, description="Ingress, where there is no Gateway API.")

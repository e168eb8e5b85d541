"""`spec` of an MLModel: what a person declares. A field is here only when some code obeys it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator

from modelloop_core.api.fields import (
    PASSED_THROUGH,
    APIObject,
    LabelMap,
    ObjectName,
    Quantity,
    keyed_by,
    rules,
    seconds,
)
from modelloop_core.api.fields import Duration as DurationText
from modelloop_core.feature_schema import Task

DEFAULT_REPLICAS = 2
ENTITY_KEYS_TAKEN = ("features", "instances", "request_id")
_RESERVED = "!k.startsWith('modelloop.dev/') && !k.startsWith('app.kubernetes.io/')"


class Registry(APIObject):
    """Where the versions of this model lie."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.caSecretName) || (has(self.endpoint) && self.endpoint.startsWith('https://'))",
                "caSecretName needs an https:// endpoint: the certificate is checked against that CA",
            )
        )
    )

    uri: str = Field(
        max_length=512,
        pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*/?$",
        description="Object store prefix that holds versions/, for example s3://models/churn.",
    )
    endpoint: str | None = Field(
        default=None,
        max_length=256,
        pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?$",
        description="URL of an S3-compatible store; absent means AWS.",
    )
    region: str | None = Field(
        default=None,
        max_length=64,
        pattern=r"^[a-z0-9-]+$",
        description="Region of the bucket; absent means us-east-1.",
    )
    secretName: ObjectName | None = Field(
        default=None,
        description="Secret in this namespace with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
        "(and AWS_SESSION_TOKEN). Absent: the workload identity of the operator and of the pods' service account.",
    )
    caSecretName: ObjectName | None = Field(
        default=None, description="Secret in this namespace whose ca.crt signs the endpoint's certificate."
    )


class Autoscaling(APIObject):
    """A HorizontalPodAutoscaler on CPU instead of a fixed number of replicas."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("self.minReplicas <= self.maxReplicas", "minReplicas must not be greater than maxReplicas")
        )
    )

    minReplicas: int = Field(default=2, ge=1, le=1000, description="Fewest pods of the live version.")
    maxReplicas: int = Field(ge=1, le=1000, description="Most pods of the live version.")
    targetCPUUtilization: int = Field(
        default=70, ge=1, le=100, description="Average CPU use to aim at, in percent of the requested CPU."
    )


class Resources(APIObject):
    """Requests and limits of the predictor's container."""

    requests: Annotated[dict[str, Quantity], Field(max_length=8)] = Field(
        default={"cpu": "250m", "memory": "512Mi"}, description="Guaranteed amounts, by resource name."
    )
    limits: Annotated[dict[str, Quantity], Field(max_length=8)] = Field(
        default={"memory": "1Gi"}, description="Upper amounts, by resource name. CPU is best left unlimited."
    )

    @field_validator("requests", "limits", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return {name: str(amount) for name, amount in value.items()} if isinstance(value, dict) else value


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
        json_schema_extra=PASSED_THROUGH,
    )


class Volume(APIObject):
    """A volume and where the predictor sees it."""

    name: str = Field(max_length=50, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", description="Name, unique in the pod.")
    mountPath: str = Field(
        max_length=256, pattern=r"^/[A-Za-z0-9._/-]+$", description="Absolute path in the container; not /tmp."
    )
    readOnly: bool = Field(default=True, description="Whether the predictor may only read it.")
    source: dict[str, Any] = Field(
        description="A source as in a pod, for example configMap, secret, persistentVolumeClaim, csi.",
        json_schema_extra={**PASSED_THROUGH, "minProperties": 1, "maxProperties": 1},
    )


class Pod(APIObject):
    """What the cluster needs to know to place and run the predictor's pods."""

    nodeSelector: LabelMap = Field(default={}, description="Labels a node must have.")
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
        default=[], description="More volumes, mounted.", json_schema_extra=keyed_by("name")
    )
    labels: LabelMap = Field(
        default={},
        description="More labels of the pods.",
        json_schema_extra=rules(
            (f"self.all(k, {_RESERVED})", "modelloop.dev/ and app.kubernetes.io/ labels are the operator's")
        ),
    )
    annotations: LabelMap = Field(
        default={},
        description="More annotations of the pods.",
        json_schema_extra=rules(
            (f"self.all(k, {_RESERVED})", "modelloop.dev/ and app.kubernetes.io/ annotations are the operator's")
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


class Serving(APIObject):
    """How the live version is served."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!(has(self.replicas) && has(self.autoscaling))",
                "give replicas or autoscaling, not both: the autoscaler decides the number of replicas",
            ),
            (
                "!has(self.autoscaling) || !has(self.resources) || !has(self.resources.requests) "
                "|| 'cpu' in self.resources.requests",
                "autoscaling needs resources.requests.cpu: utilization is measured against it",
            ),
        )
    )

    replicas: int | None = Field(default=None, ge=1, le=1000, description="Pods of the live version; absent means 2.")
    autoscaling: Autoscaling | None = Field(default=None, description="Scale on CPU instead of a fixed number.")
    resources: Resources = Field(default=Resources(), description="CPU and memory of each pod.")
    image: str | None = Field(
        default=None,
        max_length=512,
        pattern=r"^[^\s]+$",
        description="Predictor image; absent means the one the operator was installed with.",
    )
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="cuda asks for one nvidia.com/gpu per pod.")
    timeout: DurationText = Field(
        default="1s",
        description="Longest a prediction may take before it is answered 504.",
        json_schema_extra=rules(("!self.matches('^(0+(ms|s|m|h|d))+$')", "timeout must be longer than zero")),
    )
    entityKey: str = Field(
        default="user_id",
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Top-level request field that names whom a prediction is about.",
        json_schema_extra=rules(
            (
                "!(self in ['features', 'instances', 'request_id'])",
                "entityKey may not be features, instances or request_id: these have a meaning of their own",
            )
        ),
    )
    pod: Pod = Field(default=Pod(), description="Placement and additions to the pods.")

    @field_validator("timeout")
    @classmethod
    def _longer_than_zero(cls, text: str) -> str:
        if seconds(text) <= 0:
            raise ValueError("timeout must be longer than zero")
        return text

    @field_validator("entityKey")
    @classmethod
    def _no_reserved_key(cls, key: str) -> str:
        if key in ENTITY_KEYS_TAKEN:
            raise ValueError(f"{key!r} has a meaning of its own in a request")
        return key


class ParentRef(APIObject):
    """A Gateway (or one listener of it) that carries this model's traffic."""

    name: ObjectName = Field(description="Name of the Gateway.")
    namespace: ObjectName | None = Field(default=None, description="Its namespace; absent means this one.")
    sectionName: ObjectName | None = Field(default=None, description="One listener; absent means all.")


class Gateway(APIObject):
    """An HTTPRoute that the operator owns whole: exact weights, no pod restarts when traffic moves."""

    parentRefs: Annotated[list[ParentRef], Field(min_length=1, max_length=8)] = Field(
        description="Gateways to attach to.", json_schema_extra={"x-kubernetes-list-type": "atomic"}
    )
    hostnames: Annotated[
        list[Annotated[str, Field(max_length=253, pattern=r"^(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]],
        Field(max_length=16),
    ] = Field(
        default=[],
        description="Host names to answer to; empty means all.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    path: str | None = Field(
        default=None,
        max_length=256,
        pattern=r"^/([A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*)?$",
        description="Path prefix, stripped before the predictor sees it; absent means / with hostnames, "
        "else /NAMESPACE/NAME.",
    )


class Ingress(APIObject):
    """An Ingress to the Service of the live version: all traffic moves at once."""

    className: ObjectName | None = Field(default=None, description="Ingress class; absent means the cluster's default.")
    host: str = Field(
        max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", description="Host name this model answers to."
    )
    annotations: LabelMap = Field(default={}, description="Annotations for the Ingress controller.")


class Traffic(APIObject):
    """How callers outside the cluster reach the model; empty means only its Service, inside."""

    model_config = ConfigDict(
        json_schema_extra=rules(("!(has(self.gateway) && has(self.ingress))", "give gateway or ingress, not both"))
    )

    gateway: Gateway | None = Field(default=None, description="Gateway API route.")
    ingress: Ingress | None = Field(default=None, description="Ingress, where there is no Gateway API.")


class MLModelSpec(APIObject):
    """A model in production: what to serve, how, and how callers reach it."""

    registry: Registry = Field(description="Where the versions of this model lie.")
    version: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="Exact version or range ('1.2.3', '^1', '~1.2', '>=1.0 <2'). Absent: the newest at first, "
        "then the newest within the major that is live, because a new signature needs a yes from a person.",
        json_schema_extra=rules(
            (
                r"self.matches('^\\s*((\\^|~|>=|<=|>|<|=)?\\s*v?[0-9]{1,9}([.]([0-9]{1,9}|x|[*])){0,2}"
                r"(-[0-9A-Za-z.-]+)?[\\s,]*)+$')",
                "version must be a version ('1.2.3') or a range ('^1', '~1.2', '1.2.x', '>=1.0 <2')",
            )
        ),
    )
    task: Task | None = Field(default=None, description="What a prediction is; a version of another task is refused.")
    serving: Serving = Field(default=Serving(), description="How it is served.")
    traffic: Traffic = Field(default=Traffic(), description="How callers reach it.")

    @property
    def replicas(self) -> int:
        """Pods of the live version that the spec asks for at the least."""
        if self.serving.autoscaling is not None:
            return self.serving.autoscaling.minReplicas
        return self.serving.replicas or DEFAULT_REPLICAS

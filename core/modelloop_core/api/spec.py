"""`spec` of an MLModel: what a person declares. A field is here only when some code obeys it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from modelloop_core.api.autoscaling import Autoscaling
from modelloop_core.api.batching import DELAY_FORM, Batching
from modelloop_core.api.cache import Cache
from modelloop_core.api.comparing import COMPARING_RULES, wrong_comparison
from modelloop_core.api.experiments import EXPERIMENT_RULES, wrong_experiment
from modelloop_core.api.fields import PORT_RULE, APIObject, Duration, ObjectName, bounded_quantity, rules, seconds
from modelloop_core.api.logged import LOGGED_RULES, wrong_logging
from modelloop_core.api.monitoring import Monitoring
from modelloop_core.api.pod import Pod
from modelloop_core.api.resources import GPU, USUAL, Resources
from modelloop_core.api.rollout import Rollout
from modelloop_core.api.traffic import Traffic
from modelloop_core.fallback import ANOTHER_VERSION_RULE, Fallback
from modelloop_core.feature_schema import Task
from modelloop_core.versions import EXACT_FORM, WHOLE_FORM
from modelloop_core.wire.settings import METRICS

DEFAULT_REPLICAS = 2
ENTITY_KEYS_TAKEN = ("features", "instances", "request_id")
LONGEST_TIMEOUT_SECONDS = 3600
# More digits than these, or days, would be more than CEL's own durations can hold.
_TIMEOUT_FORM = "^([0-9]{1,7}ms|[0-9]{1,5}(s|m|h))+$"
_DELAY_TOO_LONG = "batching.maxDelay must be shorter than timeout: a request that waits for it would be answered 504"
_GPUS = f"self.resources.limits['{GPU}']"
_NAME = r"[a-z0-9]+((\.|_{1,2}|-+)[a-z0-9]+)*"
_IMAGE = (
    rf"^([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:[0-9]{{1,5}})?/)?{_NAME}(/{_NAME})*"
    r"(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(@sha256:[0-9a-f]{64})?$"
)
_ANY = r"[x*]"
_PIN = rf"=?\s*v?{EXACT_FORM}"
_SERIES = rf"=?\s*v?{WHOLE_FORM}([.]({WHOLE_FORM}([.]{_ANY})?|{_ANY}([.]{_ANY})?))?"
_BOUND = rf"(\^|~|>=|<=|>|<)\s*v?{WHOLE_FORM}([.]({WHOLE_FORM}([.]({WHOLE_FORM}|{_ANY}))?|{_ANY}([.]{_ANY})?))?"
_METRICS = str({task.value: list(metrics) for task, metrics in METRICS.items()})
_METRIC_OF_TASK = "monitoring.quality.metric is none of this task: " + "; ".join(
    f"{task.value} has {', '.join(metrics)}" for task, metrics in METRICS.items()
)
_RANGE = rf"({_SERIES}|{_BOUND})([\s,]+({_SERIES}|{_BOUND}))*"


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
        pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/\.{0,2}[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?$",
        description="Object store prefix that holds versions/, for example s3://models/churn.",
    )
    endpoint: str | None = Field(
        default=None,
        max_length=256,
        pattern=r"^https?://[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:[0-9]{1,5})?/?$",
        description="URL of an S3-compatible store; absent means AWS.",
        json_schema_extra=rules(PORT_RULE),
    )
    region: str | None = Field(
        default=None,
        max_length=64,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        description="Region of the bucket; absent means us-east-1.",
    )
    secretName: ObjectName | None = Field(
        default=None,
        description="Secret in this namespace with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
        "(and AWS_SESSION_TOKEN). Absent: the workload identity of the operator and of the pods' service account; "
        "an endpoint must then be one that the operator's installation trusts.",
    )
    caSecretName: ObjectName | None = Field(
        default=None, description="Secret in this namespace whose ca.crt signs the endpoint's certificate."
    )


class Serving(APIObject):
    """How the live version is served."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!(has(self.replicas) && has(self.autoscaling))",
                "give replicas or autoscaling, not both: the autoscaler decides the number of replicas",
            ),
            (
                "!has(self.autoscaling) || !has(self.resources) || 'cpu' in self.resources.requests "
                "|| 'cpu' in self.resources.limits",
                "autoscaling needs resources.requests.cpu: utilization is measured against it",
            ),
            (
                "!has(self.device) || self.device != 'cuda' || !has(self.resources) "
                f"|| !('{GPU}' in self.resources.limits) || !{bounded_quantity(_GPUS)} "
                f"|| quantity(string({_GPUS})).isGreaterThan(quantity('0'))",
                f"device cuda needs a GPU: leave {GPU} out of resources, or give at least 1",
            ),
            (
                # Without has() it could not be reckoned for the default of all of serving, which has no fields yet.
                "!has(self.timeout) || !has(self.batching) || !has(self.batching.maxDelay) "
                f"|| !self.timeout.matches('{_TIMEOUT_FORM}') || !self.batching.maxDelay.matches('{DELAY_FORM}') "
                "|| duration(self.batching.maxDelay) < duration(self.timeout)",
                _DELAY_TOO_LONG,
            ),
        )
    )

    replicas: int | None = Field(default=None, ge=1, le=1000, description="Pods of the live version; absent means 2.")
    autoscaling: Autoscaling | None = Field(default=None, description="Scale on CPU instead of a fixed number.")
    resources: Resources = Field(
        default=USUAL,
        description="CPU and memory of each pod; when given, nothing is added to it but the GPU of device cuda.",
    )
    image: str | None = Field(
        default=None,
        max_length=512,
        pattern=_IMAGE,
        description="Predictor image; absent means the one the operator was installed with.",
    )
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="cuda asks for one nvidia.com/gpu per pod.")
    timeout: Duration = Field(
        default="1s",
        description="Longest a prediction may take before it is answered 504; at most 1h.",
        json_schema_extra=rules(
            (
                f"self.matches('{_TIMEOUT_FORM}') "
                "&& duration(self) > duration('0s') && duration(self) <= duration('1h')",
                "timeout must be longer than zero and at most 1h",
            )
        ),
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
    grpc: bool | None = Field(
        default=None,
        description="Answer the Open Inference Protocol by gRPC as well, on port 9000 of the model's Service. "
        "Absent means no.",
    )
    batching: Batching = Field(default=Batching(), description="How requests share the model's forward.")
    maxQueue: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="Most requests of a pod that wait for the model or are in it; one more is answered 503.",
    )
    cache: Cache = Field(default=Cache(), description="Whether answers are kept for a while and given again.")
    fallback: Fallback | None = Field(
        default=None,
        description="What is answered, marked by the header x-model-fallback, when the model fails or is late.",
    )
    pod: Pod = Field(default=Pod(), description="Placement and additions to the pods.")

    @field_validator("timeout")
    @classmethod
    def _within_bounds(cls, text: str) -> str:
        if not 0 < seconds(text) <= LONGEST_TIMEOUT_SECONDS:
            raise ValueError("timeout must be longer than zero and at most 1h")
        return text

    @field_validator("entityKey")
    @classmethod
    def _no_reserved_key(cls, key: str) -> str:
        if key in ENTITY_KEYS_TAKEN:
            raise ValueError(f"{key!r} has a meaning of its own in a request")
        return key

    @model_validator(mode="after")
    def _delay_within_timeout(self) -> Self:
        if seconds(self.batching.maxDelay) >= seconds(self.timeout):
            raise ValueError(_DELAY_TOO_LONG)
        return self


class MLModelSpec(APIObject):
    """A model in production: what to serve, how, how callers reach it, and how it is watched."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.task) || !has(self.monitoring) || !has(self.monitoring.quality) "
                f"|| self.monitoring.quality.metric in {_METRICS}[self.task]",
                _METRIC_OF_TASK,
            ),
            ANOTHER_VERSION_RULE,
            *COMPARING_RULES,
            *EXPERIMENT_RULES,
            *LOGGED_RULES,
        )
    )

    registry: Registry = Field(description="Where the versions of this model lie.")
    version: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="Exact version or range ('1.2.3', '^1', '~1.2', '>=1.0 <2'). Absent: the newest at first, "
        "then the newest within the major that is live, because a new signature needs a yes from a person.",
        json_schema_extra=rules(
            (
                rf"self.matches(r'^\s*({_PIN}|{_RANGE})[\s,]*$')",
                "version must be a version ('1.2.3') or a range ('^1', '~1.2', '1.2.x', '>=1.0 <2')",
            )
        ),
    )
    task: Task | None = Field(default=None, description="What a prediction is; a version of another task is refused.")
    serving: Serving = Field(default=Serving(), description="How it is served.")
    traffic: Traffic = Field(default=Traffic(), description="How callers reach it.")
    rollout: Rollout | None = Field(
        default=None,
        description="How a new version earns its traffic; absent means by a canary with the defaults where there are a "
        "gateway and a monitor, else all at once.",
    )
    monitoring: Monitoring | None = Field(
        default=None, description="How it is watched; absent means with the defaults, where there is a monitor."
    )

    @property
    def watched(self) -> Monitoring:
        """How it is watched, with all defaults."""
        return self.monitoring or Monitoring()

    @model_validator(mode="after")
    def _metric_fits_task(self) -> Self:
        quality = self.watched.quality
        if quality is not None and self.task is not None and quality.metric not in METRICS[self.task]:
            raise ValueError(_METRIC_OF_TASK)
        return self

    @model_validator(mode="after")
    def _compares_what_is_watched(self) -> Self:
        asked, watched = self.rollout, self.watched
        wrong = (
            wrong_comparison(asked, watched)
            or wrong_experiment(asked, watched, self.task)
            or wrong_logging(asked, watched)
        )
        if wrong:
            raise ValueError(wrong)
        return self

    @model_validator(mode="after")
    def _falls_back_to_another(self) -> Self:
        if self.serving.fallback is not None and self.serving.fallback.is_version(self.version):
            raise ValueError(ANOTHER_VERSION_RULE[1])
        return self

    @property
    def replicas(self) -> int:
        """Pods of the live version that the spec asks for at the least."""
        if self.serving.autoscaling is not None:
            return self.serving.autoscaling.minReplicas
        return self.serving.replicas or DEFAULT_REPLICAS

"""The environment of a predictor pod: the operator writes it, the predictor reads it, both through this type."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from modelloop_core.capture import Capture
from modelloop_core.fallback import Fallback
from modelloop_core.feature_schema import Task
from modelloop_core.versions import Version
from modelloop_core.wire.limits import REDIS_URL
from modelloop_core.wire.predictions import RESERVED_KEYS

PREFIX = "MODELLOOP_"

LEADER_LABEL = "modelloop.dev/operator"
"""Label of the Lease by which operators agree on their leader; `kubectl mlmodel doctor` finds it by this."""

PREDICT_PORT = 8080
"""Port of predictions, probes, metrics and pages in a predictor pod."""

GRPC_PORT = 9000
"""Port of the Open Inference Protocol by gRPC in a predictor pod and its Services, where the spec asks for it."""

MIRROR_PORT = 8081
"""Port of copies of requests in a predictor pod: they are answered like others, but are no live traffic."""

EXIT_PERMANENT = 78
"""Exit code (EX_CONFIG) of a predictor that can never serve this version: trying again cannot help."""

REDIS_USERNAME, REDIS_PASSWORD = f"{PREFIX}CACHE_REDIS_USERNAME", f"{PREFIX}CACHE_REDIS_PASSWORD"
"""Credentials of the shared cache: from a Secret, so that no type here holds them."""

MONITOR_TOKEN = f"{PREFIX}MONITOR_TOKEN"
"""What a predictor shows to the monitor (`Authorization: Bearer`): from a Secret, so that no type here holds it."""

TERMINATION_LOG = "/dev/termination-log"


_PORT = re.compile(r"(?<!/):([0-9]+)")


class PredictorEnvironment(BaseModel):
    """Settings of one predictor process; each field is the variable `MODELLOOP_<FIELD>`.

    `timeout_seconds` bounds one prediction, `read_seconds` the arrival of one request. After SIGTERM new connections
    are taken for `prestop_seconds` more, then what is in flight gets `drain_seconds`. `max_queue` bounds the requests
    that wait for the model, `max_body_bytes` one body. At most `batch_max_size` rows share a forward, which waits for
    more of them only if `batch_max_delay_seconds` says so. The access log has at most `access_log_per_second` lines of
    each kind, the model's answers and others. `fallback`, as JSON, is what to answer where the model cannot. Answers of
    at most `cache_max_entries` rows are given again for `cache_ttl_seconds`, shared in a Redis where there is one,
    which is waited for at most `cache_redis_seconds`. A `grpc_port` makes the process answer by gRPC as well, a
    `mirror_port` take copies of requests, which are no live traffic. Live traffic is counted and posted to
    `monitor_url` every `monitor_post_seconds` under the name `pod_name` (the host's where there is none); `capture`, as
    JSON, says which predictions are logged, and these are written to the registry every `capture_upload_seconds`.
    Credentials of the store come from the standard `AWS_*`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    registry_uri: str = Field(min_length=1)
    registry_endpoint: str | None = None
    registry_region: str | None = None
    registry_ca_file: str | None = None
    model_version: str
    model_namespace: str = ""
    model_name: str = ""
    task: Task | None = None
    device: str = Field(default="cpu", pattern="^(cpu|cuda)$")
    timeout_seconds: float = Field(default=1.0, gt=0)
    entity_key: str = "user_id"
    threads: int = Field(default=1, ge=1)
    max_queue: int = Field(default=1000, ge=1)
    batch_max_size: int = Field(default=64, ge=1)
    batch_max_delay_seconds: float = Field(default=0.0, ge=0)
    fallback: Fallback | None = None
    cache_max_entries: int = Field(default=0, ge=0)
    cache_ttl_seconds: float = Field(default=60.0, gt=0)
    cache_redis_url: str | None = Field(default=None, pattern=REDIS_URL)
    cache_redis_seconds: float = Field(default=0.01, gt=0, le=1)
    access_log_per_second: int = Field(default=10, ge=0)
    max_body_bytes: int = Field(default=8 << 20, ge=1)
    read_seconds: float = Field(default=10.0, gt=0)
    max_connections: int = Field(default=4096, ge=1, le=1_000_000)
    prestop_seconds: float = Field(default=1.0, ge=0)
    drain_seconds: float = Field(default=20.0, ge=0)
    port: int = Field(default=PREDICT_PORT, ge=0, le=65535)
    grpc_port: int | None = Field(default=None, ge=0, le=65535)
    mirror_port: int | None = Field(default=None, ge=0, le=65535)
    monitor_url: str | None = Field(default=None, pattern=r"^https?://[^@\s]+$")
    monitor_post_seconds: float = Field(default=5.0, gt=0)
    pod_name: str = Field(default="", max_length=253)
    capture: Capture | None = None
    capture_upload_seconds: float = Field(default=300.0, gt=0)
    cache_dir: str = "/var/cache/modelloop"
    termination_log: str = TERMINATION_LOG

    @field_validator("model_version")
    @classmethod
    def _semantic(cls, text: str) -> str:
        return str(Version.parse(text))

    @field_validator("entity_key")
    @classmethod
    def _own_name(cls, text: str) -> str:
        if not text or text in RESERVED_KEYS:
            raise ValueError(f"the entity key needs a name of its own, not one of {', '.join(RESERVED_KEYS)}")
        return text

    @field_validator("cache_redis_url")
    @classmethod
    def _used(cls, url: str | None, info: ValidationInfo) -> str | None:
        port = _PORT.search(url or "")
        if port and not 1 <= int(port[1]) <= 65535:
            raise ValueError("a port is a number from 1 to 65535")
        if url is not None and not info.data.get("cache_max_entries"):
            raise ValueError("a Redis needs cache_max_entries of at least 1: with 0 nothing is cached")
        return url

    @field_validator("monitor_url")
    @classmethod
    def _named_model(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is not None and not (info.data.get("model_namespace") and info.data.get("model_name")):
            raise ValueError("a monitor tells models by their namespace and name, and one of them is not set")
        return url

    @property
    def served_model(self) -> str:
        """The name by which the Open Inference Protocol asks for the model; `model` where nobody named it."""
        return self.model_name or "model"

    def to_environ(self) -> dict[str, str]:
        """Variables to set in a pod: only what differs from the defaults, so that a new default needs no write."""
        return {
            PREFIX + name.upper(): _written(getattr(self, name))
            for name, field in type(self).model_fields.items()
            if getattr(self, name) not in (None, field.default)
        }


def _written(value: object) -> str:
    return value.model_dump_json(exclude_none=True) if isinstance(value, BaseModel) else str(value)

"""The operator's settings: `MODELLOOP_*` variables, read once at the start; a bad one stops it."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """How this installation runs; the chart sets these."""

    model_config = SettingsConfigDict(env_prefix="MODELLOOP_", frozen=True)

    predictor_image: str = Field(min_length=1)
    image_pull_policy: str = Field(default="IfNotPresent", pattern="^(Always|IfNotPresent|Never)$")
    pod_namespace: str = Field(default="modelloop-system", min_length=1)
    pod_name: str = ""
    cluster_name: str = Field(default="default", min_length=1)
    watch_namespaces: str = ""
    workers: int = Field(default=8, ge=1, le=64)
    health_port: int = Field(default=8081, ge=0, le=65535)
    registry_poll_seconds: float = Field(default=60.0, ge=1)
    resync_seconds: float = Field(default=600.0, ge=5)
    discovery_seconds: float = Field(default=60.0, ge=1)
    drain_seconds: float = Field(default=30.0, ge=0)
    predictor_drain_seconds: int = Field(default=25, ge=0)
    progress_deadline_seconds: int = Field(default=600, ge=30)
    lease_name: str = "modelloop-operator"
    own_identity_endpoints: str = ""
    monitor_url: str = Field(default="", pattern=r"^(https?://[^@\s]+)?$")
    monitor_token: SecretStr = SecretStr("")
    monitor_secret: str = ""
    prometheus_url: str = Field(default="", pattern=r"^(https?://[^@\s]+)?$")
    prometheus_token: SecretStr = SecretStr("")
    monitor_poll_seconds: float = Field(default=60.0, ge=1)

    @property
    def probe_namespace(self) -> str:
        """A namespace in which the operator has its rights."""
        return self.namespaces[0] if self.namespaces else "default"

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Namespaces to watch, separated by commas; empty means all."""
        return _parts(self.watch_namespaces)

    @property
    def trusted_endpoints(self) -> tuple[str, ...]:
        """Stores outside AWS that may see the operator's own identity, separated by commas."""
        return _parts(self.own_identity_endpoints)


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())

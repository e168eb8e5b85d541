"""The environment of a predictor pod: the operator writes it, the predictor reads it, both through this type."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

PREFIX = "MODELLOOP_"

PREDICT_PORT = 8080
"""Port of predictions, probes, metrics and pages in a predictor pod."""

EXIT_PERMANENT = 78
"""Exit code (EX_CONFIG) of a predictor that can never serve this version: trying again cannot help."""

TERMINATION_LOG = "/dev/termination-log"


class PredictorEnvironment(BaseModel):
    """Settings of one predictor process; each field is the variable `MODELLOOP_<FIELD>`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    registry_uri: str
    registry_endpoint: str | None = None
    registry_region: str | None = None
    registry_ca_file: str | None = None
    model_version: str
    model_namespace: str = ""
    model_name: str = ""
    task: str | None = None
    device: str = Field(default="cpu", pattern="^(cpu|cuda)$")
    timeout_seconds: float = Field(default=1.0, gt=0)
    entity_key: str = "user_id"
    threads: int = Field(default=1, ge=1)
    drain_seconds: float = Field(default=20.0, ge=0)
    cache_dir: str = "/var/cache/modelloop"

    def to_environ(self) -> dict[str, str]:
        """Variables to set in a pod: only what differs from the defaults, so that a new default needs no write."""
        return {
            PREFIX + name.upper(): str(value)
            for name, value in self.model_dump().items()
            if value is not None and value != type(self).model_fields[name].default
        }

"""The process's settings: one frozen type, read once from `MODELLOOP_MONITOR_*`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "MODELLOOP_MONITOR_"
DAY = 86_400.0

_Holder = Annotated[str, Field(pattern="^(user|group):.+$")]


class SettingsError(ValueError):
    """The environment cannot start a monitor; the message has one line for each bad variable."""


class MonitorSettings(BaseSettings):
    """Settings of one monitor process; each field is the variable `MODELLOOP_MONITOR_<FIELD>`.

    `database` is `sqlite:///PATH` (one process, on a volume) or `postgresql://…` (several). What is kept is bounded by
    age, `*_days` each. A post that ends up to `clock_tolerance_seconds` from now is taken for one of now; one older
    than `late_seconds` is refused. A window is judged `grace_seconds` after its end, and again when late counts come.
    Traffic is kept in intervals of `traffic_seconds`, which rollouts judge once they are over for `settle_seconds`.
    With a `token` every call needs it (or one derived from it for a single namespace); where a proxy signs people in,
    `user_header` names them, `groups_header` their groups and `namespaces_header` what they may read; `grants` gives
    namespaces (`*` for all) to `user:NAME` and `group:NAME`, as JSON. Without token and header the dashboard can be
    read, and nothing changed, by `anonymous`.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    database: str = Field(default="sqlite:////var/lib/modelloop/monitor.db", pattern="^(sqlite:///|postgresql)")
    database_max_bytes: int | None = Field(default=None, ge=1 << 20, description="SQLite only.")
    busy_seconds: float = Field(default=5.0, gt=0, description="How long to wait for a lock of the database.")
    host: str = "0.0.0.0"  # noqa: S104 a pod's port is reached from outside the pod
    port: int = Field(default=8080, ge=0, le=65535)
    drain_seconds: float = Field(default=20.0, ge=0)
    read_seconds: float = Field(default=30.0, gt=0)
    token: SecretStr | None = None
    user_header: str = ""
    namespaces_header: str = ""
    groups_header: str = ""
    grants: dict[_Holder, tuple[str, ...]] = Field(default_factory=dict)
    anonymous: Literal["cluster", "loopback", "nobody"] = "cluster"
    max_queue: int = Field(default=1000, ge=1)
    fold_seconds: float = Field(default=5.0, gt=0)
    join_seconds: float = Field(default=2.0, gt=0)
    evaluate_seconds: float = Field(default=15.0, gt=0)
    prune_seconds: float = Field(default=3_600.0, gt=0)
    grace_seconds: float = Field(default=60.0, ge=0)
    settle_seconds: float = Field(default=15.0, ge=0)
    traffic_seconds: int = Field(default=60, ge=5, le=60)
    late_seconds: float = Field(default=DAY, gt=0)
    clock_tolerance_seconds: float = Field(default=600.0, ge=0)
    stale_windows: float = Field(default=2.0, gt=0)
    traffic_days: float = Field(default=15.0, gt=0)
    window_days: float = Field(default=90.0, gt=0)
    report_days: float = Field(default=400.0, gt=0)
    prediction_days: float = Field(default=30.0, gt=0)
    source_days: float = Field(default=7.0, gt=0)

    @field_validator("traffic_seconds")
    @classmethod
    def _part_of_a_minute(cls, seconds: int) -> int:
        if 60 % seconds:
            raise ValueError(f"minutes do not begin with every interval of {seconds} s: 5, 6, 10, 12, 15, 20, 30 or 60")
        return seconds

    @field_validator("token", mode="before")
    @classmethod
    def _without_the_newline_of_an_editor(cls, token: object) -> object:
        if not isinstance(token, str):
            return token
        if not token.strip():
            raise ValueError("a token of blanks would open the monitor to everybody; leave it out for that")
        return token.strip()


def read_settings() -> MonitorSettings:
    """The settings of this process; raises SettingsError naming each variable that is bad."""
    try:
        return MonitorSettings()
    except ValidationError as error:
        lines = [f"{PREFIX}{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors()]
        raise SettingsError("\n".join(lines)) from error

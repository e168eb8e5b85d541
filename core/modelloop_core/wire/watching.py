"""What else the monitor tells of models, and what it tells others: models, history, silences, notifications."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from modelloop_core.wire.reports import Incident, Level
from modelloop_core.wire.settings import Severity

SIGNATURE_HEADER = "x-modelloop-signature"
"""On a webhook with a key: `sha256=` and the HMAC-SHA256 of the body under the key, in hex."""

DELIVERY_HEADER = "x-modelloop-delivery"
"""On a webhook: the notification's id; one that was answered too late comes again under the same id."""


class _Told(BaseModel):
    # Not "forbid": a reader of an older release goes on when a newer monitor says more.
    model_config = ConfigDict(frozen=True)


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelSummary(_Told):
    """One model: when it was last heard of, and the verdict of its last judged window."""

    namespace: str
    name: str
    last_post: AwareDatetime | None
    verdict: Level
    incidents: int


class ModelList(_Told):
    """`GET /v1/models`: those that the caller may see."""

    models: tuple[ModelSummary, ...]
    generated: AwareDatetime


class ColumnPoint(_Told):
    """One column in one window of the history."""

    part: Literal["feature", "output"]
    verdict: Level
    psi: float | None
    severity: float | None


class HistoryWindow(_Told):
    """One judged window."""

    since: AwareDatetime
    until: AwareDatetime
    version: str
    reference: str
    verdict: Level
    rows: int
    columns: dict[str, ColumnPoint]


class DriftHistory(_Told):
    """`GET /v1/models/{namespace}/{name}/history`: judged windows and incidents, oldest first."""

    namespace: str
    name: str
    windows: tuple[HistoryWindow, ...]
    incidents: tuple[Incident, ...]
    generated: AwareDatetime


class SilencePost(_Asked):
    """`POST /v1/models/{namespace}/{name}/silences`: withhold notifications for so long."""

    seconds: Annotated[float, Field(ge=60, le=90 * 86_400)]
    reason: str = Field(min_length=1, max_length=1000)


class Silence(_Told):
    """Until when a model's notifications are withheld."""

    id: str
    until: AwareDatetime
    created: AwareDatetime
    reason: str


class SilenceList(_Told):
    """`GET /v1/models/{namespace}/{name}/silences`: those that have not expired."""

    silences: tuple[Silence, ...]


class Cause(StrEnum):
    """Why there is an incident; a model has at most one open incident of each."""

    DRIFT = "drift"
    SILENCE = "silence"
    QUALITY = "quality"


class Change(StrEnum):
    """What a notification is about."""

    OPENED = "opened"
    WORSE = "worse"
    CLOSED = "closed"


class Notification(_Told):
    """The body of a webhook: what changed, since when, how sure that is, and what to do.

    `stage` counts how often the incident opened or got worse: 1, then 2 …
    """

    schema_version: int = 1
    id: str
    incident: str
    change: Change
    stage: int
    cause: Cause
    severity: Severity
    namespace: str
    name: str
    version: str | None
    level: Level
    features: tuple[str, ...]
    what: str
    since: AwareDatetime
    sure: str
    action: str
    at: AwareDatetime

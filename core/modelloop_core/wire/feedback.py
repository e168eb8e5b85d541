"""`POST /v1/feedback` and `POST /v1/events`: what became of predictions, told days later by request id."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from modelloop_core.wire.predictions import REQUEST_ID_PATTERN

FEEDBACK_PATH = "/v1/feedback"
EVENTS_PATH = "/v1/events"
MOST_ITEMS = 10_000


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Feedback(_Wire):
    """The truth about one prediction: 0, 1 or a flag for binary, a class's name for multiclass, or a number."""

    request_id: str = Field(pattern=REQUEST_ID_PATTERN)
    row: int = Field(default=0, ge=0)
    label: bool | float | str
    at: AwareDatetime | None = None


class FeedbackPost(_Wire):
    """Labels for predictions of one model."""

    namespace: str = Field(min_length=1, max_length=253)
    name: str = Field(min_length=1, max_length=253)
    feedback: tuple[Feedback, ...] = Field(min_length=1, max_length=MOST_ITEMS)


class FeedbackReceipt(_Wire):
    """What became of each: joined, `waiting` for its prediction, known `already`, or refused, by index."""

    joined: int
    waiting: int
    already: int
    refused: dict[int, str] = Field(default_factory=dict)


class BusinessEvent(_Wire):
    """Something that followed a prediction: a click (`value` 1 or 0), an order (`value` its amount)."""

    request_id: str = Field(pattern=REQUEST_ID_PATTERN)
    name: str = Field(pattern="^[a-z][a-z0-9_]{0,62}$")
    value: float = 1.0
    at: AwareDatetime | None = None
    id: str | None = Field(default=None, max_length=128, description="Makes several events of one name distinct.")


class EventsPost(_Wire):
    """Business events of one model; the same event sent again counts once."""

    namespace: str = Field(min_length=1, max_length=253)
    name: str = Field(min_length=1, max_length=253)
    events: tuple[BusinessEvent, ...] = Field(min_length=1, max_length=MOST_ITEMS)

"""`POST /v1/feedback` and `POST /v1/events`: what became of predictions, told days later by request id.

Both take one item, or many at once (`feedback`, `events`). An item that cannot be kept is refused by its index and why;
the others are kept, all together or none. The same again changes nothing.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from modelloop_core.wire.predictions import REQUEST_ID_PATTERN

FEEDBACK_PATH = "/v1/feedback"
EVENTS_PATH = "/v1/events"
PARQUET_TYPE = "application/vnd.apache.parquet"
MOST_ITEMS = 10_000
MOST_UNNAMED = 100
"""So many items may leave out their model: each is then looked up in all of them."""

EVENT_NAME_PATTERN = "^[a-z][a-z0-9_]{0,62}$"

Label = bool | float | Annotated[str, Field(max_length=1024)] | dict[str, float]
ModelPart = Annotated[str, Field(min_length=1, max_length=253)]


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _OfModel(_Wire):
    """May leave out both parts where the request id is known already, as the predictions of one model have it."""

    namespace: ModelPart | None = None
    name: ModelPart | None = None


class Feedback(_Wire):
    """The truth about one prediction: 0, 1 or a flag for binary, a class's name for multiclass, or a number.

    A model of several values takes an object with all of them by name. `row` is an instance's place in its request.
    """

    request_id: str = Field(pattern=REQUEST_ID_PATTERN)
    row: int = Field(default=0, ge=0, le=2**31 - 1)
    label: Label
    at: AwareDatetime | None = Field(default=None, description="When the truth was known; when it came, by default.")


class SingleFeedback(Feedback, _OfModel):
    """One label by itself."""


class FeedbackPost(_OfModel):
    """Labels for predictions of one model."""

    feedback: tuple[Feedback, ...] = Field(min_length=1, max_length=MOST_ITEMS)


class Receipt(_Wire):
    """What became of each item: joined, `waiting` for its prediction, known `already`, or refused.

    `unknown` are the indices of those that wait, `refused` says why by index.
    """

    joined: int
    waiting: int
    already: int
    unknown: tuple[int, ...] = ()
    refused: dict[int, str] = Field(default_factory=dict)


class BusinessEvent(_Wire):
    """Something that followed a prediction: a click (`value` 1 or 0), an order (`value` its amount)."""

    request_id: str = Field(pattern=REQUEST_ID_PATTERN)
    name: str = Field(pattern=EVENT_NAME_PATTERN)
    value: float = 1.0
    at: AwareDatetime | None = Field(default=None, description="When it happened; when it came, by default.")
    id: str | None = Field(
        default=None, min_length=1, max_length=128, description="Makes several events of one name distinct."
    )


class SingleEvent(BusinessEvent):
    """One event by itself; `model` is the model's name, as `name` is the event's."""

    namespace: ModelPart | None = None
    model: ModelPart | None = None


class EventsPost(_OfModel):
    """Business events of one model; the same event sent again counts once."""

    events: tuple[BusinessEvent, ...] = Field(min_length=1, max_length=MOST_ITEMS)

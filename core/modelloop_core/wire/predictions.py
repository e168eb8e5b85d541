"""`POST /predict`: what a request and its answers look like, and the headers that travel with them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

VERSION_HEADER = "x-model-version"
"""On every answer: the version that gave it, as `v1.2.3`."""

FALLBACK_HEADER = "x-model-fallback"
"""On an answer that is not the model's but the declared fallback's: why, in one word."""

FORCED_HEADER = "x-modelloop-version"
"""On a request that a test sends to a certain version: routes choose by it, and no version counts it as live."""

REQUEST_ID_HEADER = "x-request-id"
TRACE_HEADER = "traceparent"
PROBLEM_TYPE = "application/problem+json"

RESERVED_KEYS = ("features", "instances", "request_id")
"""Keys of a request that an entity key may not take."""

REQUEST_ID_PATTERN = r"^[\x21-\x7e]{1,128}$"
"""Visible ASCII, so that an id can be a header, a log field and an object's name."""

Cell = str | float | bool | None
Features = Annotated[
    list[Cell] | dict[str, Cell],
    Field(description="Values in the order of the signature, or by name; null only where the signature allows it."),
]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class PredictRequest(_Shape):
    """Either `features` (one row) or `instances` (many); the entity key's name is a setting, `user_id` by default."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())

    features: Features | None = None
    instances: list[Features] | None = Field(default=None, min_length=1)
    request_id: str | None = Field(default=None, pattern=REQUEST_ID_PATTERN)


class PredictAnswer(_Shape):
    """One prediction: a probability, a label (then with `probabilities`), a value, or several by name."""

    prediction: float | str | dict[str, float]
    probabilities: dict[str, float] | None = None
    model_version: str
    request_id: str


class PredictManyAnswer(_Shape):
    """One prediction for each instance, in order."""

    predictions: list[float] | list[str] | list[dict[str, float]]
    probabilities: list[dict[str, float]] | None = None
    model_version: str
    request_id: str


class Fault(StrEnum):
    """What can be wrong with a value, for counting: by these kinds data quality is told."""

    MISSING = "missing"
    WRONG_TYPE = "wrong-type"
    OUT_OF_DOMAIN = "out-of-domain"
    WRONG_SHAPE = "wrong-shape"


class FieldError(_Shape):
    """What is wrong with one field, as `features.age`, `instances[3].age` or `features[0]`.

    `fault` is counted and not told to callers: `message` says it in more words.
    """

    field: str
    message: str
    fault: SkipJsonSchema[Fault | None] = Field(default=None, exclude=True)


class Problem(_Shape):
    """An error as RFC 9457 has it; `reason` is one word for programs, `errors` names the fields of a 422."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())

    type: str
    title: str
    status: int
    detail: str
    instance: str
    reason: str
    errors: list[FieldError] | None = None

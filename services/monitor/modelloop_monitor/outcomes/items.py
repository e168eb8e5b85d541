"""What callers post as labels and events, read into one shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from modelloop_core.wire.feedback import (
    BusinessEvent,
    EventsPost,
    Feedback,
    FeedbackPost,
    Label,
    SingleEvent,
    SingleFeedback,
)
from modelloop_monitor.bodies import has_nul
from modelloop_monitor.problems import INVALID, MALFORMED, ProblemError, invalid

Model = tuple[str, str]
_Post = TypeVar("_Post", bound=BaseModel)


@dataclass(frozen=True)
class Item:
    """One label or event; with `request_id`, `distinct` (a row, or an event's name and id) makes it one of its kind."""

    request_id: str
    distinct: tuple[int] | tuple[str, str]
    value: Label
    at: float | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """By what the same is known again."""
        return (self.request_id, *self.distinct)


@dataclass(frozen=True)
class Posted:
    """Items in their order, and the model whose they are where the caller said so."""

    items: Sequence[Item]
    model: Model | None = None


def read_feedback(body: bytes) -> Posted:
    """Labels, one or many; raises ProblemError."""
    document = _object(body)
    if "feedback" in document:
        post = _valid(FeedbackPost, body)
        return Posted([of_feedback(item) for item in post.feedback], model_of(post.namespace, post.name))
    single = _valid(SingleFeedback, body)
    return Posted([of_feedback(single)], model_of(single.namespace, single.name))


def read_events(body: bytes) -> Posted:
    """Events, one or many; raises ProblemError."""
    document = _object(body)
    if "events" in document:
        post = _valid(EventsPost, body)
        return Posted([_of_event(item) for item in post.events], model_of(post.namespace, post.name))
    single = _valid(SingleEvent, body)
    return Posted([_of_event(single)], model_of(single.namespace, single.model))


def of_feedback(item: Feedback) -> Item:
    """A label in the common shape."""
    at = None if item.at is None else item.at.timestamp()
    return Item(item.request_id, (item.row,), item.label, at)


def model_of(namespace: str | None, name: str | None) -> Model | None:
    """The model whose they are, where it is named; raises ProblemError for half a name."""
    if namespace is None and name is None:
        return None
    if namespace is None or name is None:
        raise ProblemError(INVALID, "namespace and the model's name are given together, or both left out")
    return namespace, name


def _of_event(event: BusinessEvent) -> Item:
    at = None if event.at is None else event.at.timestamp()
    return Item(event.request_id, (event.name, event.id or ""), event.value, at)


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProblemError(MALFORMED, f"the body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ProblemError(INVALID, f"the body is a JSON object, not {type(document).__name__}")
    return document


def _valid(kind: type[_Post], body: bytes) -> _Post:
    if has_nul(body):
        raise ProblemError(INVALID, "the body has a NUL character, which no database keeps")
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error) from error

"""Errors a client may see: each kind once, as RFC 9457 problem details, never a traceback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelloop_core.wire.predictions import FieldError


@dataclass(frozen=True)
class Kind:
    """A kind of error: its HTTP status, its one-word reason and its title."""

    status: int
    reason: str
    title: str


MALFORMED = Kind(400, "MalformedBody", "The body is not JSON")
NOT_HTTP = Kind(400, "MalformedRequest", "The request is not HTTP")
NOT_FOUND = Kind(404, "NotFound", "There is no such page")
UNKNOWN_MODEL = Kind(404, "UnknownModel", "This predictor does not serve that model or version")
WRONG_METHOD = Kind(405, "WrongMethod", "This page does not take that method")
TOO_SLOW = Kind(408, "RequestTimeout", "The request arrived too slowly")
TOO_LARGE = Kind(413, "BodyTooLarge", "The body is too large")
TOO_MANY_ROWS = Kind(413, "TooManyRows", "The request has too many rows")
WRONG_TYPE = Kind(415, "WrongContentType", "The body is not declared as JSON")
INVALID = Kind(422, "InvalidRequest", "The request does not fit the model's signature")
HEADERS_TOO_LARGE = Kind(431, "HeadersTooLarge", "The headers are too large")
INTERNAL = Kind(500, "InternalError", "The predictor failed")
MODEL_FAILED = Kind(500, "ModelFailed", "The model failed on this request")
BAD_OUTPUT = Kind(500, "BadOutput", "The model gave an answer that its signature excludes")
NOT_READY = Kind(503, "NotReady", "The predictor is not ready")
QUEUE_FULL = Kind(503, "QueueFull", "Too many requests wait for the model")
OUT_OF_MEMORY = Kind(503, "OutOfMemory", "There was no memory for this request")
MODEL_STUCK = Kind(503, "ModelStuck", "The model hangs")
OVERLOADED = Kind(503, "Overloaded", "The bodies of all requests together take too much memory")
DEADLINE = Kind(504, "DeadlineExceeded", "The model did not answer in time")


MOST_ROWS = 10_000
"""Rows of one request: more would hold up all others, and are the business of batch scoring."""


@dataclass
class ProblemError(Exception):
    """An error to answer with: its kind, one sentence of detail, the faulty fields, and headers such as Retry-After."""

    kind: Kind
    detail: str
    errors: Sequence[FieldError] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind.reason}: {self.detail}"

    def body(self, request_id: str) -> dict[str, Any]:
        """The problem details document."""
        document: dict[str, Any] = {
            "type": f"urn:modelloop:problem:{self.kind.reason}",
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "instance": f"urn:modelloop:request:{request_id}",
            "reason": self.kind.reason,
        }
        if self.errors:
            document["errors"] = [error.model_dump() for error in self.errors]
        return document

    def open_inference_body(self, request_id: str) -> dict[str, Any]:
        """The same as the Open Inference Protocol has errors, with what programs look for added."""
        document: dict[str, Any] = {"error": self.detail, "reason": self.kind.reason, "request_id": request_id}
        if self.errors:
            document["errors"] = [error.model_dump() for error in self.errors]
        return document


def retry_later(kind: Kind, detail: str, seconds: int = 1) -> ProblemError:
    """A problem that passes: with Retry-After in whole seconds."""
    return ProblemError(kind, detail, headers={"retry-after": str(seconds)})


def check_row_count(count: int) -> None:
    """Raise 413 for more than MOST_ROWS."""
    if count > MOST_ROWS:
        raise ProblemError(TOO_MANY_ROWS, f"a request may have {MOST_ROWS} rows, this one has {count}; send several")

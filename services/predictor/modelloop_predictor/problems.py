"""What can be wrong with a request to the predictor, each kind once."""

from __future__ import annotations

from typing import Any

from modelloop_core.wire.problems import Kind as Kind
from modelloop_core.wire.problems import ProblemError as ProblemError
from modelloop_core.wire.problems import retry_later as retry_later

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


def open_inference_body(problem: ProblemError, request_id: str) -> dict[str, Any]:
    """A problem as the Open Inference Protocol has errors, with what programs look for added."""
    document: dict[str, Any] = {"error": problem.detail, "reason": problem.kind.reason, "request_id": request_id}
    if problem.errors:
        document["errors"] = [error.model_dump() for error in problem.errors]
    return document


def check_row_count(count: int) -> None:
    """Raise 413 for more than MOST_ROWS."""
    if count > MOST_ROWS:
        raise ProblemError(TOO_MANY_ROWS, f"a request may have {MOST_ROWS} rows, this one has {count}; send several")

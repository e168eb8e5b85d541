"""What kind of error is which status of gRPC; the reason beside it says more."""

from __future__ import annotations

import grpc

from modelloop_predictor.problems import (
    DEADLINE,
    INVALID,
    MALFORMED,
    MODEL_STUCK,
    NOT_READY,
    OUT_OF_MEMORY,
    OVERLOADED,
    QUEUE_FULL,
    TOO_LARGE,
    TOO_MANY_ROWS,
    TOO_SLOW,
    UNKNOWN_MODEL,
    Kind,
)

_CODES: dict[Kind, grpc.StatusCode] = {
    MALFORMED: grpc.StatusCode.INVALID_ARGUMENT,
    INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    UNKNOWN_MODEL: grpc.StatusCode.NOT_FOUND,
    TOO_MANY_ROWS: grpc.StatusCode.RESOURCE_EXHAUSTED,
    TOO_LARGE: grpc.StatusCode.RESOURCE_EXHAUSTED,
    OUT_OF_MEMORY: grpc.StatusCode.RESOURCE_EXHAUSTED,
    # Clients try again on UNAVAILABLE by themselves.
    NOT_READY: grpc.StatusCode.UNAVAILABLE,
    MODEL_STUCK: grpc.StatusCode.UNAVAILABLE,
    QUEUE_FULL: grpc.StatusCode.UNAVAILABLE,
    OVERLOADED: grpc.StatusCode.UNAVAILABLE,
    TOO_SLOW: grpc.StatusCode.DEADLINE_EXCEEDED,
    DEADLINE: grpc.StatusCode.DEADLINE_EXCEEDED,
}


def code_of(kind: Kind) -> grpc.StatusCode:
    """The status to end a call with."""
    return _CODES.get(kind, grpc.StatusCode.INTERNAL)

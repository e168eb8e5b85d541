"""Answers as JSON, and every error as problem details."""

from __future__ import annotations

import logging
import uuid
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from modelloop_core.wire.predictions import PROBLEM_TYPE, FieldError, Problem
from modelloop_monitor.logs import event
from modelloop_monitor.problems import (
    INTERNAL,
    INVALID,
    NOT_FOUND,
    STORE_FAILED,
    WRONG_METHOD,
    ProblemError,
    retry_later,
)
from modelloop_monitor.store.errors import StoreError

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (400, 401, 403, 404, 408, 413, 415, 422, 503)
}


def json_answer(value: BaseModel, status: int = 200) -> Response:
    """A type of the wire as JSON."""
    return Response(value.model_dump_json(), status, media_type="application/json")


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every error as problem details."""

    async def problem(request: Request, error: Exception) -> Response:
        return problem_answer(problem_of(error, request.method, request.url.path))

    for kind in (ProblemError, StoreError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, problem)


def problem_of(error: Exception, method: str, path: str) -> ProblemError:
    """What a caller may see of an error."""
    match error:
        case ProblemError():
            return error
        case StoreError():
            return retry_later(STORE_FAILED, str(error), 2)
        case RequestValidationError():
            return _of_parameters(error)
        case HTTPException(status_code=404):
            return ProblemError(NOT_FOUND, f"there is no {path!r}; see /openapi.json")
        case HTTPException(status_code=405):
            allowed = (error.headers or {}).get("Allow", "")
            return ProblemError(WRONG_METHOD, f"{path} takes {allowed}, not {method}", headers={"allow": allowed})
        case _:
            event("request-failed", logging.ERROR, error=error, reason="InternalError", path=path)
            return ProblemError(INTERNAL, "the monitor's log says more")


def problem_answer(error: ProblemError) -> Response:
    """The answer that tells it."""
    body = orjson.dumps(error.body(str(uuid.uuid4())))
    return Response(body, error.kind.status, dict(error.headers), media_type=PROBLEM_TYPE)


def _of_parameters(error: RequestValidationError) -> ProblemError:
    errors = [
        FieldError(field=".".join(str(part) for part in fault["loc"][1:]), message=fault["msg"])
        for fault in error.errors()
    ]
    return ProblemError(INVALID, f"{errors[0].field}: {errors[0].message}", errors)

"""What can be wrong with a call to the monitor, each kind once."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from modelloop_core.wire.predictions import FieldError
from modelloop_core.wire.problems import Kind as Kind
from modelloop_core.wire.problems import ProblemError as ProblemError
from modelloop_core.wire.problems import retry_later as retry_later

_MOST_ERRORS = 20


MALFORMED = Kind(400, "MalformedBody", "The body cannot be read")
UNAUTHORIZED = Kind(401, "Unauthorized", "The call needs a token")
FORBIDDEN = Kind(403, "Forbidden", "The caller may not do that in this namespace")
NOT_FOUND = Kind(404, "NotFound", "There is no such page")
UNKNOWN_MODEL = Kind(404, "UnknownModel", "Nothing is known of that model")
WRONG_METHOD = Kind(405, "WrongMethod", "This page does not take that method")
TOO_SLOW = Kind(408, "RequestTimeout", "The request arrived too slowly")
TOO_LARGE = Kind(413, "BodyTooLarge", "The body is too large")
WRONG_TYPE = Kind(415, "WrongContentType", "The body is of a type that this page does not read")
INVALID = Kind(422, "InvalidRequest", "The request is not as the interface has it")
WRONG_REFERENCE = Kind(422, "WrongReference", "The counts do not fit the bins of their reference")
WRONG_TIME = Kind(422, "WrongTime", "The post is of a time that the monitor does not take")
NEEDS_REFERENCE = Kind(428, "ReferenceMissing", "The monitor has not that reference yet")
INTERNAL = Kind(500, "InternalError", "The monitor failed")
BUSY = Kind(503, "Busy", "The monitor cannot take this now")
STORE_FAILED = Kind(503, "StoreFailed", "The monitor's database does not take anything now")


def invalid(error: ValidationError) -> ProblemError:
    """What pydantic found, field by field; a body that is no JSON at all is malformed instead."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    if faults[0]["type"] == "json_invalid":
        return ProblemError(MALFORMED, f"the body is not JSON: {faults[0]['msg']}")
    errors = [FieldError(field=_place(fault["loc"]), message=fault["msg"]) for fault in faults[:_MOST_ERRORS]]
    return ProblemError(INVALID, f"{errors[0].field or 'the body'}: {errors[0].message}", errors)


def _place(location: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in location)

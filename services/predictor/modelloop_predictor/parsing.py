"""From the bytes of a request to its parts; knows JSON and the request's keys, no features and no HTTP framework."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from modelloop_core.wire.predictions import REQUEST_ID_PATTERN, RESERVED_KEYS, FieldError
from modelloop_predictor.collecting import collecting_nothing
from modelloop_predictor.names import repeated_name
from modelloop_predictor.problems import INVALID, MALFORMED, WRONG_TYPE, ProblemError, check_row_count

_REQUEST_ID = re.compile(REQUEST_ID_PATTERN)
_NOT_FINITE = re.compile(rb"[\[:,\s]-?(NaN|Infinity)\b")
LONGEST_ENTITY = 256
MOST_ERRORS = 100
"""Faulty fields that one answer names at most."""


@dataclass(frozen=True)
class Envelope:
    """A request's parts: `rows` still as JSON had them, `many` when they came as instances."""

    rows: list[Any]
    many: bool
    request_id: str | None
    entity: str | None


def check_content_type(content_type: str | None, content_encoding: str | None) -> None:
    """Raise 415 unless the body is declared as plain JSON in UTF-8; a body without a declaration is taken as JSON."""
    if content_encoding not in (None, "", "identity"):
        raise ProblemError(WRONG_TYPE, f"send the body uncompressed; content-encoding is {content_encoding!r}")
    if content_type is None:
        return
    media_type, _, parameters = content_type.partition(";")
    media_type = media_type.strip().lower()
    if media_type != "application/json" and not re.fullmatch(r"application/[\w.+-]+\+json", media_type):
        raise ProblemError(WRONG_TYPE, f"send content-type: application/json; it is {content_type!r}")
    charset = re.search(r"charset\s*=\s*\"?([\w-]+)", parameters, re.IGNORECASE)
    if charset and charset[1].lower() not in ("utf-8", "utf8", "us-ascii"):
        raise ProblemError(WRONG_TYPE, f"send JSON in UTF-8; the charset is {charset[1]!r}")


def parse(body: bytes, entity_key: str) -> Envelope:
    """Split a body into its parts; raises 400 for what is no JSON, 422 for keys that are unknown, missing or odd."""
    document = _load(body)
    if not isinstance(document, dict):
        raise _invalid("", f"expected an object with 'features' or 'instances', found {kind_of(document)}")
    if (name := repeated_name(body, _names_of(document))) is not None:
        raise _invalid(shown(name), "is there twice in one object; which value is meant cannot be told")
    known = (*RESERVED_KEYS, entity_key)
    errors = [
        FieldError(field=shown(key), message=f"unknown key; known are {', '.join(known)}")
        for key in islice((key for key in document if key not in known), MOST_ERRORS)
    ]
    request_id, entity = document.get("request_id"), document.get(entity_key)
    errors += _check_request_id(request_id) + check_entity(entity, entity_key)
    rows, many = _rows(document, errors)
    if errors:
        raise ProblemError(INVALID, _summary(errors), errors[:MOST_ERRORS])
    return Envelope(rows=rows, many=many, request_id=request_id, entity=None if entity is None else str(entity))


def is_request_id(text: str) -> bool:
    """Whether the text can be a request's id."""
    return bool(_REQUEST_ID.match(text)) and not text.endswith("\n")


def known_id(text: str | None) -> str | None:
    """The text where it can be a request's id, else None."""
    return text if text is not None and is_request_id(text) else None


def is_entity(value: Any) -> bool:
    """Whether the value can name whom a prediction is about: absent, a whole number, or a text that is not long."""
    if isinstance(value, str):
        return 0 < len(value) <= LONGEST_ENTITY
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


def kind_of(value: Any) -> str:
    """What a JSON value is, for a message."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f"the text {shown(value)!r}"
        case int() | float():
            return f"the number {value!r}"[:60]
        case list():
            return f"a list of {len(value)}"
        case _:
            return "an object"


def shown(text: str) -> str:
    """A client's text, cut to what a message can hold."""
    return text if len(text) <= 80 else f"{text[:77]}..."


def _load(body: bytes) -> Any:
    try:
        with collecting_nothing(len(body)):
            return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if _NOT_FINITE.search(body[max(0, error.pos - 9) : error.pos + 12]):
            raise ProblemError(
                MALFORMED, f"NaN and Infinity are no JSON (at character {error.pos}); a missing value is null"
            ) from None
        detail = "the body is empty" if not body.strip() else f"{error}"
        raise ProblemError(MALFORMED, detail) from None


def _names_of(document: dict[str, Any]) -> int:
    rows = document.get("instances")
    objects = [document, document.get("features"), *(rows if isinstance(rows, list) else ())]
    return sum(len(found) for found in objects if isinstance(found, dict))


def _rows(document: dict[str, Any], errors: list[FieldError]) -> tuple[list[Any], bool]:
    if ("features" in document) == ("instances" in document):
        given = "both" if "features" in document else "neither"
        errors.append(FieldError(field="features", message=f"give 'features' or 'instances'; {given} are there"))
        return [], False
    if "features" in document:
        return [document["features"]], False
    instances = document["instances"]
    if not isinstance(instances, list) or not instances:
        found = "an empty list" if instances == [] else kind_of(instances)
        errors.append(FieldError(field="instances", message=f"expected a list of at least one row, found {found}"))
        return [], True
    check_row_count(len(instances))
    return instances, True


def _check_request_id(value: Any) -> list[FieldError]:
    if value is None or (isinstance(value, str) and is_request_id(value)):
        return []
    message = f"expected a text of 1 to 128 visible ASCII characters, found {kind_of(value)}"
    return [FieldError(field="request_id", message=message)]


def check_entity(value: Any, entity_key: str) -> list[FieldError]:
    """What is wrong with an entity's key under the name `entity_key`; nothing is wrong with none."""
    if is_entity(value):
        return []
    message = f"expected a text of 1 to {LONGEST_ENTITY} characters or a whole number, found {kind_of(value)}"
    return [FieldError(field=entity_key, message=message)]


def _invalid(field: str, message: str) -> ProblemError:
    return ProblemError(INVALID, message, [FieldError(field=field, message=message)])


def _summary(errors: list[FieldError]) -> str:
    first = f"{errors[0].field}: {errors[0].message}"
    return first if len(errors) == 1 else f"{first} (and {len(errors) - 1} more)"

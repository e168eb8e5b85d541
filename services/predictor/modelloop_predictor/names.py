"""Finds a name that an object of JSON has twice: which of its values is meant nobody can tell (RFC 8259, section 4)."""

from __future__ import annotations

import json
import re
from typing import Any

_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')


def may_repeat(text: bytes, distinct: int) -> bool:
    """Whether a JSON text has more names than the `distinct` ones that its reader found in its objects."""
    # Texts may hold a colon, but they seldom do, and to count is far quicker than to take them out.
    return text.count(b":") > distinct and _TEXT.sub(b"", text).count(b":") > distinct


def repeated_name(text: bytes, distinct: int) -> str | None:
    """A name that one object of a JSON text has twice, or None; `distinct` of its names are known to be there once."""
    if not may_repeat(text, distinct):
        return None
    try:
        json.loads(text, object_pairs_hook=_once)
    except _RepeatedError as error:
        return error.name
    except (ValueError, RecursionError):
        # What that reader cannot read, such as numbers of thousands of digits, is for the readers of values to refuse.
        return None
    return None


class _RepeatedError(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _once(pairs: list[tuple[str, Any]]) -> None:
    names = set()
    for name, _ in pairs:
        if name in names:
            raise _RepeatedError(name)
        names.add(name)

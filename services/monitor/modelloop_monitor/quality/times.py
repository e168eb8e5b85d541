"""Seconds since 1970 UTC as the wire has them."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(at: float) -> datetime:
    """The time that it is `at`."""
    return datetime.fromtimestamp(at, UTC)

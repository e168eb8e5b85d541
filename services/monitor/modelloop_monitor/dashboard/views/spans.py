"""How many windows back a page may look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """A choice."""

    word: str
    windows: int


SPANS: Mapping[str, Span] = {
    "12": Span("last 12 windows", 12),
    "24": Span("last 24 windows", 24),
    "72": Span("last 72 windows", 72),
}

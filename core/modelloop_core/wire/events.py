"""Which business events a rollout asks about, as one parameter: `clicks:rate:3600:0.05,orders:sum:86400`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from modelloop_core.wire.settings import MOST_BUSINESS, BusinessKind

_FORM = re.compile(r"([a-z][a-z0-9_]{0,62}):(rate|sum):([0-9]{1,9})(?::(0\.[0-9]{1,9}))?")


@dataclass(frozen=True)
class AskedEvent:
    """An event by name and kind. It counts when it came within `delay_seconds` of its prediction.

    `most_drop` is the part of the live version's rate or sum that the candidate may lack; None is no limit.
    """

    name: str
    kind: BusinessKind
    delay_seconds: int
    most_drop: float | None = None


def write_events(events: Iterable[AskedEvent]) -> str:
    """As `read_events` takes them."""
    return ",".join(_text(event) for event in events)


def read_events(text: str) -> tuple[AskedEvent, ...]:
    """The events of the parameter; raises ValueError for what is none."""
    found = tuple(_event(part) for part in text.split(",")) if text else ()
    names = [event.name for event in found]
    if len(names) > MOST_BUSINESS or len(set(names)) != len(names):
        raise ValueError(f"events are at most {MOST_BUSINESS} of different names, not {', '.join(names)}")
    return found


def _text(event: AskedEvent) -> str:
    limit = "" if event.most_drop is None else f":{event.most_drop:.9f}"
    return f"{event.name}:{event.kind}:{event.delay_seconds}{limit}"


def _event(part: str) -> AskedEvent:
    form = _FORM.fullmatch(part)
    if form is None:
        raise ValueError(f"{part!r} is no event: NAME:rate:SECONDS or NAME:sum:SECONDS, and perhaps :DROP below 1")
    name, kind, seconds, drop = form.groups()
    most = None if drop is None else float(drop)
    return AskedEvent(name, "rate" if kind == "rate" else "sum", int(seconds), most)

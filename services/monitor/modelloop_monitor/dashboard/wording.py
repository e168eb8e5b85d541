"""Levels, times and numbers for people: a word always, a sign and a colour besides."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from markupsafe import Markup

from modelloop_core.wire.evidence import Comparison, Verdict
from modelloop_core.wire.profiles import LATENCY_BOUNDS
from modelloop_core.wire.reports import Interval, Level

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
NOTHING = "–"


class Look(NamedTuple):
    """How a level is shown: its word, a sign that differs in shape, and what it means."""

    word: str
    sign: str
    meaning: str


LEVELS: Mapping[str, Look] = {
    Level.STABLE: Look("stable", "✓", "no change found"),
    Level.TREND: Look("trend", "↗", "a change that is certain but small"),
    Level.MODERATE: Look("moderate", "▲", "a change worth a look"),
    Level.DRIFT: Look("drift", "◆", "a large change"),
    Level.INSUFFICIENT: Look("too few rows", "…", "too few rows to say anything"),
    Level.NO_DATA: Look("no data", "∅", "nothing was counted"),
}


VERDICTS: Mapping[str, Look] = {
    Verdict.PASSED: Look("passed", "✓", "within all limits"),
    Verdict.FAILED: Look("failed", "✗", "shown to be beyond a limit"),
    Verdict.INCONCLUSIVE: Look("not decided", "…", "too little to say anything yet"),
    Verdict.ERROR: Look("no evidence", "?", "what would be judged is missing"),
}

OUTCOMES: Mapping[str, Look] = {
    "Promoted": Look("went live", "✓", "all traffic went to it"),
    "RolledBack": Look("taken back", "↩", "it had traffic and lost it"),
    "Refused": Look("refused", "✗", "it never had traffic"),
    "Abandoned": Look("given up", "–", "another version was wanted"),
}

# In the colours of levels, which are told apart without seeing colours too.
_TONES: Mapping[str, str] = {
    Verdict.PASSED: Level.STABLE,
    Verdict.FAILED: Level.DRIFT,
    Verdict.INCONCLUSIVE: Level.TREND,
    Verdict.ERROR: Level.MODERATE,
    "Promoted": Level.STABLE,
    "RolledBack": Level.DRIFT,
    "Refused": Level.DRIFT,
}


def moment(at: float | datetime | None) -> str:
    """A time in UTC, to the minute."""
    return NOTHING if at is None else f"{_time(at):%Y-%m-%d %H:%M} UTC"


def exact(at: float | datetime) -> str:
    """A time in UTC, to the second."""
    return f"{_time(at):%Y-%m-%d %H:%M:%S} UTC"


def clock(at: float, shown: bool = True) -> str:
    """The time of the day, where there is room for it."""
    return f"{_time(at):%H:%M}" if shown else ""


def iso(at: float | datetime) -> str:
    """A time for machines."""
    return _time(at).isoformat(timespec="seconds")


def ago(at: float | datetime | None, now: float) -> str:
    """How long ago, in the largest unit that fits."""
    if at is None:
        return "never"
    passed = now - _time(at).timestamp()
    if passed < -_MINUTE:
        return f"in {duration(-passed)}"
    return "just now" if passed < _MINUTE else f"{duration(passed)} ago"


def duration(seconds: float) -> str:
    """A length of time in its largest unit, or milliseconds."""
    if seconds < 1:
        return f"{number(1000 * seconds)} ms"
    for size, word in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {word}" if seconds >= 10 * size else f"{number(seconds / size, 2)} {word}"
    return f"{number(seconds)} s"


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many significant digits; thousands apart, and no exponent where a person can do without."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    if abs(value) < 1e-4 or abs(value) >= 1e15:
        return f"{value:.{digits - 1}e}"
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    plain = f"{value:,.{decimals}f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def latency(seconds: float | None) -> str:
    """A latency; what lies past the last bucket is only known to be longer."""
    if seconds is not None and math.isinf(seconds):
        return f"over {duration(LATENCY_BOUNDS[-1])}"
    return NOTHING if seconds is None else duration(seconds)


def percent(share: float | None) -> str:
    """A share in hundredths."""
    return NOTHING if share is None else f"{number(100 * share)} %"


def interval(found: Interval, *, share: bool = False) -> str:
    """An estimate with its interval."""
    told = percent if share else number
    if found.low is None or found.high is None:
        return told(found.value)
    return f"{told(found.value)} ({told(found.low)} to {told(found.high)})"


def difference(found: Comparison) -> str:
    """By how much the candidate has more, with what holds it at any time; or what is missing."""
    if found.difference is None:
        return found.note or NOTHING
    factor, unit = (100, " points") if found.kind == "rate" else (1, "")
    told = number(factor * found.difference) + unit
    if found.low is None or found.high is None:
        return told
    return f"{told} ({number(factor * found.low)} to {number(factor * found.high)})"


def pvalue(value: float | None) -> str:
    """A probability that may be very small, without an exponent."""
    return "under 0.000001" if value is not None and value < 1e-6 else number(value)


def count(value: int) -> str:
    """A whole number, thousands apart."""
    return f"{value:,}"


def stamp(at: float | datetime | None, now: float) -> Markup:
    """A time as an element: in UTC, and how long ago."""
    if at is None:
        return Markup("never")
    return Markup('<time datetime="{}">{} <span class="ago">({})</span></time>').format(
        iso(at), moment(at), ago(at, now)
    )


def level(value: str) -> Markup:
    """A level as an element: sign and word, coloured besides."""
    return _badge(value, LEVELS[value])


def verdict(value: str) -> Markup:
    """A verdict as an element; a word that is not known here is shown as it is."""
    return _badge(_TONES.get(value, Level.NO_DATA), VERDICTS.get(value, Look(value, "·", "")))


def outcome(value: str, open: bool = False) -> Markup:  # noqa: A002 the template's word
    """How a rollout ended as an element, or that it is under way."""
    if open:
        return _badge(Level.TREND, Look("under way", "▸", ""))
    return _badge(_TONES.get(value, Level.NO_DATA), OUTCOMES.get(value, Look(value or "not known", "?", "")))


def _badge(tone: str, look: Look) -> Markup:
    return Markup('<span class="level level-{}"><span aria-hidden="true">{}</span> {}</span>').format(
        tone, look.sign, look.word
    )


def _time(at: float | datetime) -> datetime:
    return at.astimezone(UTC) if isinstance(at, datetime) else datetime.fromtimestamp(at, UTC)


FILTERS: Mapping[str, Callable[..., Any]] = {
    "ago": ago,
    "clock": clock,
    "count": count,
    "difference": difference,
    "duration": duration,
    "exact": exact,
    "interval": interval,
    "iso": iso,
    "latency": latency,
    "level": level,
    "moment": moment,
    "number": number,
    "outcome": outcome,
    "percent": percent,
    "stamp": stamp,
    "verdict": verdict,
    "zip": zip,
}

"""Times and numbers as people read them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from modelloop_core.wire.reports import Level
from modelloop_monitor.dashboard.wording import LEVELS, ago, duration, latency, level, moment, number, percent, stamp

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "–"),
        (0.0, "0"),
        (0.25, "0.25"),
        (0.123456, "0.123"),
        (1234.5, "1,234"),
        (12.0, "12"),
        (99.96, "100"),
        (0.00012, "0.00012"),
        (0.0000123, "1.23e-05"),
        (-3.14159, "-3.14"),
        (5e9, "5,000,000,000"),
    ],
)
def test_numbers(value: float | None, words: str) -> None:
    assert number(value) == words


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (0, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (90, "1.5 min ago"),
        (3600, "1 h ago"),
        (86_400, "1 d ago"),
        (20 * 86_400, "20 d ago"),
        (-30, "just now"),
        (-7200, "in 2 h"),
    ],
)
def test_how_long_ago(passed: float, words: str) -> None:
    assert ago(NOW - passed, NOW) == words


def test_what_never_was() -> None:
    assert (ago(None, NOW), moment(None), stamp(None, NOW)) == ("never", "–", "never")


def test_a_time_is_told_in_utc_for_people_and_machines() -> None:
    shown = str(stamp(NOW - 3600, NOW))
    assert shown.startswith('<time datetime="2026-03-02T11:00:00+00:00">2026-03-02 11:00 UTC')
    assert "1 h ago" in shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0004, "0.4 ms"), (0.25, "250 ms"), (1.5, "1.5 s"), (59, "59 s"), (600, "10 min"), (90_000, "1 d")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_latency_past_the_last_bucket_is_only_known_to_be_longer() -> None:
    assert (latency(math.inf), latency(None), latency(0.02)) == ("over 10 s", "–", "20 ms")


def test_shares() -> None:
    assert (percent(0.123456), percent(None), percent(1.0)) == ("12.3 %", "–", "100 %")


@pytest.mark.parametrize("value", list(Level))
def test_every_level_has_a_word_and_a_sign_of_its_own(value: Level) -> None:
    assert LEVELS[value].word in level(value)
    assert sum(look.sign == LEVELS[value].sign for look in LEVELS.values()) == 1

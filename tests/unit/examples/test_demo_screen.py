"""Waiting in the demo ends: with what was waited for, or with what was missing."""

from __future__ import annotations

import pytest
from hack.demo.cluster import DemoFailed
from hack.demo.screen import Screen


def test_a_wait_ends_when_nothing_is_missing() -> None:
    Screen().wait("two pods", lambda: "", 0)


def test_a_wait_that_is_over_says_what_was_missing() -> None:
    with pytest.raises(DemoFailed, match="two pods: not within 0 s; one is ready"):
        Screen().wait("two pods", lambda: "one is ready", 0)


def test_while_a_rollout_is_watched_a_wait_leaves_the_words_to_the_watch(capsys: pytest.CaptureFixture[str]) -> None:
    screen, missing = Screen(), iter(["one is ready", ""])
    screen.watching = True
    screen.wait("two pods", lambda: next(missing), 10)
    assert "one is ready" not in capsys.readouterr().out


def test_a_step_keeps_its_seconds() -> None:
    screen = Screen()
    with screen.step("publish"):
        pass
    assert list(screen.seconds) == ["publish"]

"""Crashes are counted as they are seen: those since a version has traffic, of containers that served."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from modelloop_core.versions import Version
from modelloop_operator.cluster.crashes import Crashes

KEY, ONE = ("shop", "churn"), Version(1, 0, 0)
SINCE = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUNNING, WAITING = {"running": {}}, {"waiting": {"reason": "CrashLoopBackOff"}}
LAST_WORDS = json.dumps({"reason": "StoreUnavailable", "message": "no answer"})


def pod(
    times: int, at: str = "12:30:00", *, uid: str = "a", code: int = 137, state: Any = RUNNING, **ended: Any
) -> dict[str, Any]:
    """A pod whose container was started again so often, and ended the last time like this."""
    terminated = {"exitCode": code, "finishedAt": f"2026-03-01T{at}Z", **ended}
    last = {"lastState": {"terminated": terminated}} if times or state != RUNNING else {}
    container = {"name": "predictor", "restartCount": times, "state": state, **last}
    return {"metadata": {"name": uid, "uid": uid}, "status": {"containerStatuses": [container]}}


def seen(*looks: list[dict[str, Any]]) -> list[int]:
    """What is counted at each look."""
    crashes = Crashes()
    return [crashes.count(KEY, ONE, SINCE, pods) for pods in looks]


def test_restarts_before_the_first_share_do_not_count() -> None:
    assert seen([pod(4, "11:59:59")], [pod(5)], [pod(5)], [pod(6)]) == [0, 1, 1, 2]


def test_what_nobody_has_looked_at_counts_once() -> None:
    assert seen([pod(4, "12:00:00"), pod(7, uid="b"), pod(0, uid="c")]) == [2]


def test_a_container_that_waits_to_be_started_again_counts_as_it_does_afterwards() -> None:
    assert seen([pod(0)], [pod(0, state=WAITING)], [pod(1)], [pod(1, state=WAITING)], [pod(2)]) == [0, 1, 1, 2, 2]


def test_a_pod_that_is_made_for_the_next_share_and_cannot_begin_is_no_crash_under_traffic() -> None:
    begins = [pod(times, code=1, message=LAST_WORDS) for times in (1, 2, 3, 4)]
    assert seen([pod(0)], *([one] for one in begins), [pod(5)]) == [0, 0, 0, 0, 0, 1]


def test_what_the_kernel_ended_may_have_last_words_of_another_life() -> None:
    assert seen([pod(0)], [pod(1, reason="OOMKilled", message=LAST_WORDS)]) == [0, 1]


def test_an_end_without_a_fault_is_no_crash() -> None:
    assert seen([pod(0)], [pod(3, code=0)], [pod(4)]) == [0, 0, 1]


def test_an_end_at_an_unknown_time_counts_once_it_is_seen_to_be_new() -> None:
    assert seen([pod(1, finishedAt=None)], [pod(2, finishedAt=None)]) == [0, 1]


def test_crashes_of_pods_that_are_gone_stay_counted() -> None:
    assert seen([pod(0)], [pod(1)], [pod(0, uid="b")], [pod(1, uid="b")]) == [0, 1, 1, 2]


def test_another_share_of_another_version_is_counted_anew() -> None:
    crashes = Crashes()
    crashes.count(KEY, ONE, SINCE, [pod(0)])
    assert crashes.count(KEY, ONE, SINCE, [pod(2)]) == 2
    assert crashes.count(KEY, Version(1, 1, 0), SINCE, [pod(0, uid="b")]) == 0
    later = datetime(2026, 3, 1, 13, tzinfo=UTC)
    assert crashes.count(KEY, ONE, later, [pod(2)]) == 0
    crashes.release(KEY)
    assert crashes.count(KEY, ONE, SINCE, [pod(2)]) == 1

"""What of a question about a rollout is written into an address."""

from datetime import UTC, datetime
from typing import Any

from modelloop_core.wire.evidence import EvidenceQuery

ALWAYS = {"version", "against", "since", "min_requests", "false_rollback_rate"}


def parameters(**asked: Any) -> dict[str, str]:
    since = datetime(2026, 3, 2, 12, tzinfo=UTC)
    return EvidenceQuery(version="1.1.0", against="1.0.0", since=since, **asked).parameters()


def test_what_is_not_asked_for_is_not_written_since_a_monitor_of_before_refuses_words_it_does_not_know() -> None:
    assert set(parameters()) == ALWAYS


def test_what_is_asked_for_is_written() -> None:
    asked: dict[str, Any] = {
        "max_error_rate": 0.01,
        "without_reference": "Skip",
        "quality_metric": "auc",
        "label_delay_seconds": 60.0,
        "ab_metric": "auc",
        "ab_higher": False,
        "mirrored": True,
    }

    assert parameters(**asked) == {**parameters(), **{name: str(value) for name, value in asked.items()}}


def test_limits_that_have_a_default_are_written_with_it_since_that_of_another_release_may_differ() -> None:
    found = parameters(min_requests=200, false_rollback_rate=0.01)

    assert (found["min_requests"], found["false_rollback_rate"]) == ("200", "0.01")

"""The operator may be killed after any write, with events early, late, lost or twice: it ends in the same state."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.cluster import Events
from fakes.rollouts import a_monitor, ended, failed_after_its_promotion
from fakes.stories import (
    Story,
    check_killed_after_any_write,
    deleted_and_made_again_at_once,
    served_replaced_and_deleted,
)
from modelloop_core.wire.evidence import Verdict

_PASSES = [pytest.param(ended, {}, events, id=f"a rollout that passes, events {events.value}") for events in Events]
# Each life once at all writes; how events come is varied on one of them, as each takes half a minute.
ROLLOUTS = (
    *_PASSES,
    pytest.param(ended, {"v1_1_0": Verdict.FAILED}, Events.DELAYED, id="a rollout that is taken back"),
    pytest.param(failed_after_its_promotion, {}, Events.REPEATED, id="a version that fails after its promotion"),
)
STORIES = (served_replaced_and_deleted, deleted_and_made_again_at_once)


@pytest.mark.parametrize("events", Events, ids=lambda mode: f"events {mode.value}")
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__.replace("_", " "))
def test_killed_after_any_write_it_ends_in_the_same_state(tmp_path: Path, story: Story, events: Events) -> None:
    assert check_killed_after_any_write(tmp_path, story, events) > 20


@pytest.mark.parametrize(("story", "verdicts", "events"), ROLLOUTS)
def test_killed_after_any_write_a_rollout_ends_in_the_same_state(
    tmp_path: Path, story: Story, verdicts: dict[str, Verdict], events: Events
) -> None:
    assert check_killed_after_any_write(tmp_path, story, events, lambda: a_monitor(**verdicts)) > 25

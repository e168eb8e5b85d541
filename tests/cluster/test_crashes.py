"""The operator may be killed after any write, with events early, late, lost or twice: it ends in the same state."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.cluster import Events
from fakes.stories import (
    Story,
    check_killed_after_any_write,
    deleted_and_made_again_at_once,
    served_replaced_and_deleted,
)

STORIES = (served_replaced_and_deleted, deleted_and_made_again_at_once)


@pytest.mark.parametrize("events", Events, ids=lambda mode: f"events {mode.value}")
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__.replace("_", " "))
def test_killed_after_any_write_it_ends_in_the_same_state(tmp_path: Path, story: Story, events: Events) -> None:
    assert check_killed_after_any_write(tmp_path, story, events) > 20

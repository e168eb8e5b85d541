"""Versions that earn their traffic, or do not: real pods, a real gateway, and a real monitor that judges.

All stories begin at once and go on side by side; each test waits for what happens in one of them. Those that shake the
cluster come last, in order.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from e2e.gateway.load import Load
from e2e.install.machine import api_server_away, eventually
from e2e.rollout.story import Story, created, restarts
from e2e.rollout.versions import CRASHES, ERRS, GOOD, LIVE, NEVER_READY, SHIFTED
from e2e.serving.sigkill import sigkill

Stories = dict[str, Story]
Figures = Callable[..., None]
GOAL_SECONDS = 2.0
"""From the operator's decision to the last request that a version which is taken back answers."""


def test_a_version_that_errs_on_3_percent_is_rolled_back_by_evidence(stories: Stories, figures: Figures) -> None:
    story = stories["errs"]
    failure = story.until_refused(ERRS)
    assert failure["reason"] == "EvidenceFailed"
    assert "at 25 %: Error" in failure["message"]
    assert {(answer.status, answer.version) for answer in story.load.failed} == {(500, f"v{ERRS}")}
    assert 0.01 < len(story.load.failed) / len(story.answers(ERRS)) < 0.08
    assert not story.failed_after("EvidenceFailed", GOAL_SECONDS)
    _came_back_in_time(story, ERRS, "EvidenceFailed", figures)


def test_a_version_whose_outputs_shifted_is_rolled_back_by_evidence(stories: Stories, figures: Figures) -> None:
    story = stories["shifted"]
    failure = story.until_refused(SHIFTED)
    assert failure["reason"] == "EvidenceFailed"
    assert "PredictionPSI" in failure["message"]
    _nothing_failed(story.load)
    _came_back_in_time(story, SHIFTED, "EvidenceFailed", figures)


def test_a_version_that_is_never_ready_gets_no_traffic_and_its_deadline_acts(stories: Stories) -> None:
    story = stories["never-ready"]
    failure = story.until_refused(NEVER_READY)
    assert failure["reason"] == "ProgressDeadlineExceeded"
    assert failure["message"].startswith("0 of 1 pods of 1.5.0 are ready")
    assert story.shares(NEVER_READY) in ([], [0])
    assert not story.answers(NEVER_READY)
    _nothing_failed(story.load)


def test_a_version_that_crashes_before_it_can_report_is_rolled_back(stories: Stories, figures: Figures) -> None:
    story = stories["crashes"]
    failure = story.until_refused(CRASHES)
    assert failure["reason"] in ("KeepsFailing", "KeepsCrashing")
    assert "OOMKilled" in failure["message"]
    lost = [answer.status for answer in story.load.failed]
    figures(failed=len(lost), of=len(story.load.answers), answered_by_it=len(story.answers(CRASHES)))
    assert len(lost) < 0.05 * len(story.load.answers)
    assert not story.failed_after(failure["reason"], GOAL_SECONDS)


def test_a_good_version_is_promoted_by_evidence_through_all_its_steps(stories: Stories) -> None:
    story = stories["good"]
    story.until_live(GOOD)
    assert [weight for weight in story.shares(GOOD) if weight] == [5, 25, 50, 100]
    assert set(story.verdicts("Passed")) == {5, 25, 50}
    entry = story.status["history"][-1]
    assert (entry["version"], entry["reason"]) == (GOOD, "RolloutPassed")
    story.load.wait_for(100)
    _nothing_failed(story.load)
    live, warm = story.pods(GOOD), story.pods(LIVE)
    assert (len(live), len(warm)) == (2, 2)
    # A pod that had been replaced would be younger than the promotion.
    promoted = datetime.fromisoformat(entry["from"])
    assert max(created(pod) for pod in (*live.values(), *warm.values())) <= promoted
    assert restarts(live) == restarts(warm) == 0


def test_what_was_promoted_goes_back_by_a_command_while_the_version_before_is_warm(
    stories: Stories, figures: Figures
) -> None:
    story = stories["good"]
    warm = story.pods(LIVE)
    story.ask("rollback")
    story.until_live(LIVE)
    assert story.shares(LIVE)[-2:] == [0, 100] or story.shares(GOOD)[-1] == 100
    story.load.wait_for(100)
    _nothing_failed(story.load)
    assert story.pods(LIVE).keys() == warm.keys()
    _came_back_in_time(story, GOOD, "RollingBack", figures)


def test_two_operators_whose_leader_is_killed_in_mid_step_go_on(stories: Stories) -> None:
    story, installation = stories["shaken"], stories["shaken"].installation
    story.until("the wait for a yes", lambda status: (status.get("rollout") or {}).get("waitsFor") == "ApprovalPending")
    begun, leader = story.status["rollout"], installation.leader()
    sigkill(installation, leader)
    # It may not come back: the other one has to see that it is gone.
    installation.machine.kubectl("-n", installation.namespace, "delete", "pod", leader, "--grace-period=0", "--force")
    eventually("another operator leads", lambda: installation.leader() not in ("", leader))
    assert story.ask("approve")
    story.until_share(GOOD, 25)
    assert story.status["rollout"]["judgedSince"] == begun["judgedSince"]
    assert [weight for weight in story.shares(GOOD) if weight] == [5, 25]
    _nothing_failed(story.load)


def test_a_rollout_goes_on_after_the_api_server_was_away_in_mid_step(stories: Stories) -> None:
    story = stories["shaken"]
    before = story.status["rollout"]
    with api_server_away(story.installation.machine):
        story.load.wait_for(100)
    story.until_share(GOOD, 50)
    assert [weight for weight in story.shares(GOOD) if weight] == [5, 25, 50]
    assert story.status["rollout"]["judgedSince"] == before["judgedSince"]
    _nothing_failed(story.load)


def test_the_old_version_in_the_spec_takes_all_traffic_back_from_50_percent(stories: Stories, figures: Figures) -> None:
    story = stories["shaken"]
    story.until_share(GOOD, 50)
    story.load.wait_for(50)
    story.try_version(LIVE)
    story.until_live(LIVE)
    assert story.status["failedVersions"] == []
    story.load.wait_for(100)
    _nothing_failed(story.load)
    _came_back_in_time(story, GOOD, "Superseded", figures)


def _nothing_failed(load: Load) -> None:
    assert not load.failed, f"{len(load.failed)} of {len(load.answers)} failed, first {load.failed[0]}"


def _came_back_in_time(story: Story, version: str, reason: str, figures: Figures) -> None:
    story.load.wait_for(50)
    seconds = story.seconds_to_last_answer(version, reason)
    figures(version=version, answered=len(story.answers(version)), seconds_to_its_last_answer=seconds)
    assert seconds < GOAL_SECONDS


pytestmark = pytest.mark.timeout(900)

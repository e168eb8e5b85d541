"""Staging on the fake cluster: a Job is made once, its outcome decides, and a kill anywhere changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.cluster import Events
from fakes.operator import Stage
from fakes.rollouts import a_monitor, at, begun, live, model, status, until, weights
from fakes.seen import NOW
from fakes.stories import SETTLED_SECONDS, Story, check_killed_after_any_write, publish, run
from modelloop_core.wire.runs import ReplayOutcome, outcome_key
from modelloop_operator.cluster.kinds import JOB, MLMODEL, POD, QUOTA
from modelloop_operator.cluster.port import Object

STAGED = {
    "staging": {"replay": 300},
    "steps": [{"weight": 50, "hold": "10s"}],
    "analysis": {"interval": "1s", "minAgreement": 0.9},
}


def play(folder: Path, story: Story) -> Stage:
    return run(folder, story, Events.IMMEDIATE, monitor=a_monitor())


def staging(stage: Stage) -> Object:
    found: Object = status(stage).get("rollout", {}).get("staging", {})
    return found


async def staged(stage: Stage) -> None:
    """1.1.0 is staged, gets half of the traffic, and is promoted; the story has all the time that it needs."""
    await begun(stage, **STAGED)
    await stage.wait(150)


def test_captured_requests_are_replayed_before_any_traffic(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        work, stage.controllers.on_job = stage.controllers.on_job, None
        await begun(stage, **STAGED)
        await until(stage, lambda: stage.cluster.of(JOB), "the Job")
        await stage.wait(30)
        (name,) = stage.cluster.of(JOB)
        assert (staging(stage)["run"], weights(stage)) == (name, {"1.0.0": 100})
        assert "answers captured requests" in status(stage)["message"]
        stage.controllers.on_job = work
        await at(stage, 50)
        assert staging(stage)["message"].startswith("0 of 500 replayed requests failed, 0 of 500 were answered")
        await until(stage, lambda: live(stage) == "1.1.0", "its promotion")
        await stage.wait(5)
        assert stage.cluster.of(JOB) == {}, "it goes with the rollout"

    play(tmp_path, story)


def test_a_version_that_answers_otherwise_never_gets_a_request(tmp_path: Path) -> None:
    seen: list[dict[str, int]] = []

    async def story(stage: Stage) -> None:
        stage.replays = {"asked": 300, "compared": 300, "differing": 150}
        await begun(stage, **STAGED)
        while not status(stage).get("failedVersions"):
            seen.append(weights(stage))
            await stage.wait(1)
        (failed,) = status(stage)["failedVersions"]
        assert failed["reason"] == "ReplayFailed"
        assert "150 of 300 were answered otherwise than 1.0.0 did" in failed["message"]

    play(tmp_path, story)
    assert seen
    assert all(found == {"1.0.0": 100} for found in seen)


def test_a_job_that_is_deleted_is_made_again_and_its_outcome_is_one(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        work, stage.controllers.on_job = stage.controllers.on_job, None
        await begun(stage, **STAGED)
        await until(stage, lambda: stage.cluster.of(JOB), "the Job")
        (name,) = stage.cluster.of(JOB)
        stage.cluster.remove(JOB, "shop", name)
        await until(stage, lambda: name in stage.cluster.of(JOB), "the Job again", seconds=30)
        stage.controllers.on_job = work
        await at(stage, 50)
        assert stage.registry().store.read(outcome_key(name))

    play(tmp_path, story)


def test_a_job_that_gives_up_holds_and_is_named(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.controllers.on_job = None
        await begun(stage, **STAGED)
        await until(stage, lambda: stage.cluster.of(JOB), "the Job")
        (name,) = stage.cluster.of(JOB)
        gave_up = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "4 times"}
        stage.cluster.set_status(JOB, "shop", name, {"conditions": [gave_up]})
        await until(stage, lambda: status(stage)["rollout"].get("waitsFor") == "ReplayUnfinished", "the wait")
        assert "BackoffLimitExceeded: 4 times" in status(stage)["message"]
        assert weights(stage) == {"1.0.0": 100}

    play(tmp_path, story)


def test_an_outcome_that_somebody_removed_holds_and_is_named(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.controllers.on_job = lambda _: None
        await begun(stage, **STAGED)
        await until(stage, lambda: status(stage).get("rollout", {}).get("waitsFor") == "ReplayUnfinished", "the wait")
        assert "it is done, and its outcome is not in the registry" in status(stage)["message"]

    play(tmp_path, story)


_UNREACHED = ReplayOutcome(
    run="r", version="1.1.0", against="1.0.0", asked=500, failures={"Unreachable": 51}, began=NOW, ended=NOW
)
USELESS = [
    pytest.param(b"damaged", "is no outcome of a replay", id="it cannot be read"),
    pytest.param(_UNREACHED.model_dump_json().encode(), "51 of 500 requests came to no pod", id="it tells nothing"),
]


@pytest.mark.parametrize(("content", "told"), USELESS)
def test_an_outcome_of_no_use_is_mended_by_what_the_message_says(tmp_path: Path, content: bytes, told: str) -> None:
    async def story(stage: Stage) -> None:
        work = stage.controllers.on_job

        def damages(job: Object) -> None:
            stage.registry().store.create(outcome_key(job["metadata"]["name"]), content)

        stage.controllers.on_job = damages
        await begun(stage, **STAGED)
        await until(stage, lambda: told in status(stage)["message"], "the wait")
        (name,) = stage.cluster.of(JOB)
        advice = f"remove that object, then delete the Job to have it tried again: `kubectl delete job {name}`"
        assert advice in status(stage)["message"]
        stage.controllers.on_job = work
        (stage.folder / "models/churn" / outcome_key(name)).unlink()
        stage.cluster.remove(JOB, "shop", name)
        await at(stage, 50)

    play(tmp_path, story)


def test_a_quota_that_leaves_no_room_for_its_pod_is_named(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.controllers.on_job = None
        quota = {"hard": {"pods": "8"}, "used": {"pods": "8"}}
        stage.cluster.put(QUOTA, {"metadata": {"name": "small", "namespace": "shop"}, "status": quota})
        await begun(stage, **STAGED)
        await until(stage, lambda: status(stage).get("rollout", {}).get("waitsFor") == "NoPodYet", "the quota")
        assert "small: pods 8 of 8" in status(stage)["message"]

    play(tmp_path, story)


def test_a_pod_that_fails_is_named_with_its_last_words(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.controllers.on_job = None
        await begun(stage, **STAGED)
        await until(stage, lambda: stage.cluster.of(JOB), "the Job")
        (name,) = stage.cluster.of(JOB)
        words = '{"reason": "AccessDenied", "message": "s3://models/churn: not allowed"}'
        ended = {"state": {"terminated": {"exitCode": 1, "message": words}}}
        labels = {"batch.kubernetes.io/job-name": name}
        pod = {"metadata": {"name": f"{name}-x", "namespace": "shop", "labels": labels}}
        stage.cluster.put(POD, {**pod, "status": {"containerStatuses": [ended]}})
        await until(stage, lambda: "not allowed" in status(stage)["message"], "its words")
        assert status(stage)["rollout"]["waitsFor"] == "AccessDenied"

    play(tmp_path, story)


def test_no_pod_of_the_job_is_taken_for_one_of_the_version(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.controllers.on_job = None
        await begun(stage, **STAGED)
        await until(stage, lambda: stage.cluster.of(JOB), "the Job")
        (job,) = stage.cluster.of(JOB).values()
        labels = job["spec"]["template"]["metadata"]["labels"]
        assert not any(key.startswith("modelloop.dev/") for key in labels)

    play(tmp_path, story)


def test_killed_after_any_write_a_staged_version_comes_to_the_same_end(tmp_path: Path) -> None:
    assert check_killed_after_any_write(tmp_path, staged, Events.IMMEDIATE, a_monitor) > 20


def test_a_first_version_is_not_staged(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        publish(stage.folder, "1.0.0")
        stage.cluster.put(MLMODEL, model(**STAGED))
        await stage.wait(SETTLED_SECONDS)
        assert live(stage) == "1.0.0"
        assert not stage.cluster.of(JOB)

    play(tmp_path, story)

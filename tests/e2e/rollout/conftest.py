"""One installation, one set of published versions, and an MLModel for each story; all stories begin at once."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from e2e.gateway.load import Load
from e2e.install.installation import CRDS, Installation
from e2e.install.machine import Machine, Object
from e2e.rollout.statuses import Statuses
from e2e.rollout.story import ANALYSIS, LONGEST_SECONDS, Story, callers, host_of, mlmodel
from e2e.rollout.versions import CRASHES, ERRS, GOOD, LIVE, NEVER_READY, SHIFTED, publish_all

# Intervals of evidence of seconds instead of minutes; predictors post every five.
_SECONDS = {"TRAFFIC_SECONDS": "5", "SETTLE_SECONDS": "7", "FOLD_SECONDS": "1"}
_AT_ONCE = [{"weight": 25, "hold": "2s"}]
_STAGED = [{"weight": weight, "hold": "2s"} for weight in (5, 25, 50)]
_HELD = [{"weight": 5, "hold": "1s", "approval": True}, {"weight": 25, "hold": "20s"}, {"weight": 50, "hold": "10m"}]
# What it tries, its pods, its steps, and what else its rollout says.
_STORIES: dict[str, tuple[str, int, list[Object], Object]] = {
    "good": (GOOD, 2, _STAGED, {}),
    # So many that equal luck cannot pass what errs on 3 %: of 300 requests it would answer all but one.
    "errs": (ERRS, 1, _AT_ONCE, {"analysis": {**ANALYSIS, "minRequests": 300}}),
    "shifted": (SHIFTED, 1, _AT_ONCE, {}),
    "crashes": (CRASHES, 1, _AT_ONCE, {"analysis": {**ANALYSIS, "minRequests": 300}}),
    "never-ready": (NEVER_READY, 1, _AT_ONCE, {}),
    "shaken": (GOOD, 2, _HELD, {}),
}
# Not before: what is live first would have to be up so soon, too.
_THEN = {"never-ready": {"progressDeadline": "30s"}}
_PAUSE_SECONDS = {"errs": 0.05, "good": 0.05, "never-ready": 0.4}


@pytest.fixture(scope="module")
def stories(swept: Machine) -> Iterator[dict[str, Story]]:
    """1.0.0 serves everywhere under load, and each story has begun to try another version."""
    name = f"rollout-{secrets.token_hex(3)}"
    installation = Installation(swept, name, f"s3://{swept.environment['MODELLOOP_S3_BUCKET']}/{name}")
    swept.apply(installation.restricted_namespace(), installation.store_secret())
    statuses = Statuses(installation)
    with ExitStack() as stack:
        stack.callback(_clear_away, installation)
        publish_all(installation.store)
        installation.install_crds(CRDS)
        installation.install(
            **{
                "operator.registryPollSeconds": 1,
                "operator.drainSeconds": 5,
                "monitor.persistence.enabled": False,
                "monitor.extraEnv": [{"name": f"MODELLOOP_MONITOR_{key}", "value": v} for key, v in _SECONDS.items()],
            }
        )
        statuses.start()
        stack.callback(statuses.stop)
        found = {story: Story(installation, statuses, story, _load(installation, story)) for story in _STORIES}
        for story, (_, replicas, steps, rollout) in _STORIES.items():
            swept.apply(mlmodel(installation, story, replicas=replicas, steps=steps, **rollout))
        for story in found.values():
            story.until_live(LIVE)
        for story in found.values():
            stack.enter_context(story.load)
        for story in found.values():
            story.try_version(_STORIES[story.name][0], **_THEN.get(story.name, {}))
        yield found


def _load(installation: Installation, story: str) -> Load:
    host = host_of(installation, story)
    return Load(
        installation.machine.environment["MODELLOOP_GATEWAY_URL"],
        host,
        bodies=callers(seed=len(story)),
        pause=_PAUSE_SECONDS.get(story, 0.1),
        longest=LONGEST_SECONDS,
    )


def _clear_away(installation: Installation) -> None:
    name = installation.namespace
    installation.machine.kubectl("delete", "mlmodels", "--all", "-n", name, "--wait=false")
    installation.uninstall("--ignore-not-found")
    installation.machine.kubectl("delete", "namespace", name, "--wait=false")

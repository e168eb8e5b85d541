"""How often containers crashed since a version has traffic: each end of a container counts once, as it is seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from modelloop_core.versions import Version
from modelloop_operator.cluster.cache import Key
from modelloop_operator.cluster.containers import OUT_OF_MEMORY, read_pod, told_why
from modelloop_operator.cluster.port import Object


@dataclass
class _Tally:
    since: datetime
    ends: dict[str, int] = field(default_factory=dict)
    crashes: int = 0


class Crashes:
    """Tallies by MLModel and version.

    A pod tells how often its container ended in all its life, and when and how it did so the last time. So what went
    before the first look counts once at the most, and a new leader, who has seen nothing yet, counts rather too little.
    """

    def __init__(self) -> None:
        self._tallies: dict[Key, dict[Version, _Tally]] = {}

    def count(self, key: Key, version: Version, since: datetime, pods: list[Object]) -> int:
        """The crashes of a version's containers since `since`, those of pods that are gone by now included."""
        tallies = self._tallies.setdefault(key, {})
        if version not in tallies or tallies[version].since != since:
            tallies[version] = _Tally(since)
        tally = tallies[version]
        tally.crashes += sum(read_pod(pod, partial(_crashes, tally), 0) for pod in pods)
        return tally.crashes

    def release(self, key: Key, version: Version | None = None) -> None:
        """Forget what was counted of an MLModel, or of one version of it."""
        if version is None:
            self._tallies.pop(key, None)
        else:
            self._tallies.get(key, {}).pop(version, None)


def _crashes(tally: _Tally, pod: Object) -> int:
    meta, found = pod["metadata"], 0
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        name = f"{meta.get('uid', meta['name'])} {container.get('name', '')}"
        before, ended = tally.ends.get(name), _last_end(container)
        tally.ends[name] = _ends(container)
        if ended.get("exitCode") and not _before_it_served(ended):
            found += _is_since(ended, tally.since) if before is None else max(0, tally.ends[name] - before)
    return found


def _last_end(container: Object) -> Object:
    states = (container.get("state") or {}, container.get("lastState") or {})
    return next((state["terminated"] for state in states if state.get("terminated")), {})


def _ends(container: Object) -> int:
    """How often it ended: oftener by one than it was started again, while it waits for that."""
    state = container.get("state") or {}
    waits = bool(_last_end(container)) and ("waiting" in state or "terminated" in state)
    restarts: int = container["restartCount"]
    return restarts + waits


def _before_it_served(ended: Object) -> bool:
    return ended.get("reason") != OUT_OF_MEMORY and told_why(ended) is not None


def _is_since(ended: Object, since: datetime) -> bool:
    # Without a time where the kubelet found it gone (ContainerStatusUnknown): that may be long ago.
    at = ended.get("finishedAt")
    return at is not None and datetime.fromisoformat(at) >= since

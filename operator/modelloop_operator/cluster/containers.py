"""What the kubelet tells of the containers of pods: why they are not ready."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from modelloop_core.wire.environment import EXIT_PERMANENT
from modelloop_operator.cluster.port import Object
from modelloop_operator.decide.observation import Trouble

Found = TypeVar("Found")

log = logging.getLogger(__name__)

MESSAGE_LENGTH = 500
OUT_OF_MEMORY = "OOMKilled"
_HUNGRY = "its container was killed for want of memory (OOMKilled): see spec.serving.resources.limits.memory"


def trouble_of(pod: Object) -> Trouble | None:
    """Why this pod is not ready, from its container's last words, its waiting reason or the scheduler."""
    return read_pod(pod, _trouble, None)


def told_why(ended: Object) -> tuple[str, str] | None:
    """A predictor's last words, a reason and a message: it has some only when it could not begin to serve."""
    try:
        words = json.loads(ended.get("message", ""))
        return str(words["reason"]), str(words["message"])
    except (ValueError, KeyError, TypeError):
        return None


def read_pod(pod: Object, reader: Callable[[Object], Found], unread: Found) -> Found:
    """What a pod tells; one that cannot be read tells nothing, and must not keep a pass from deciding."""
    try:
        return reader(pod)
    except (AttributeError, KeyError, TypeError, ValueError):
        log.warning("pod not read", exc_info=True, extra={"pod": str(pod.get("metadata"))[:MESSAGE_LENGTH]})
        return unread


def _trouble(pod: Object) -> Trouble | None:
    status = pod.get("status") or {}
    for container in status.get("containerStatuses") or ():
        for state in (container.get("state") or {}, container.get("lastState") or {}):
            ended = state.get("terminated") or {}
            if ended.get("exitCode"):
                return _from_exit(ended)
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            return Trouble(waiting["reason"], str(waiting.get("message", ""))[:MESSAGE_LENGTH])
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return Trouble(condition.get("reason", "Unschedulable"), condition.get("message", "")[:MESSAGE_LENGTH])
    return None


def _from_exit(terminated: dict[str, Any]) -> Trouble:
    code, message = terminated["exitCode"], terminated.get("message", "")
    # Before its last words, which it wrote without knowing that the kernel would end it.
    if terminated.get("reason") == OUT_OF_MEMORY:
        return Trouble(OUT_OF_MEMORY, _HUNGRY)
    permanent, told = code == EXIT_PERMANENT, told_why(terminated)
    if told is not None:
        return Trouble(told[0], told[1][:MESSAGE_LENGTH], permanent)
    last_line = message.strip().splitlines()[-1:] or [terminated.get("reason", "")]
    return Trouble("ContainerFailed", f"exit code {code}: {last_line[0]}"[:MESSAGE_LENGTH], permanent)

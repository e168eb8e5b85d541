"""New versions of many MLModels at once: by steps to all of the traffic, and back when the evidence turns."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from kubernetes import client

from bench.operator_scale import meters, models
from bench.operator_scale.stage import NAMESPACE, Stage, say, wait
from bench.report import Goal

GOOD, WORSE = "1.1.0", "1.2.0"
_LONGEST = 180.0
_GATEWAY_SECONDS = 0.3
_ROUTES = ("gateway.networking.k8s.io", "v1", NAMESPACE, "httproutes")

Row = dict[str, object]


def measure(stage: Stage, count: int) -> Row:
    """One version that passes, then one that fails at its first share; of `count` MLModels at the same time."""
    with a_gateway():
        return {"rollouts at once": count, **_pass(stage, count), **_fail(stage, count)}


def goals(row: Row) -> list[Goal]:
    """All of them end as they should."""
    count = int(str(row["rollouts at once"]))
    found = [("promoted", "promoted"), ("taken back", "taken back")]
    return [
        Goal(f"rollouts at once that are {words}", f"{count}", float(str(row[name])), row[name] == count)
        for words, name in found
    ]


def _pass(stage: Stage, count: int) -> Row:
    say(f"{GOOD} of {count} MLModels, which passes")
    written, cpu, since = meters.writes(), stage.cpu_seconds(), meters.now()
    _begin(stage, count, GOOD)
    held = sum(int(step["hold"].removesuffix("s")) for step in models.STEPS)
    wait(lambda: meters.ended(GOOD, "Promoted") >= count, _LONGEST, lambda: f"{meters.ended(GOOD, 'Promoted')} live")
    passed = meters.now() - since
    return {
        "promoted": meters.ended(GOOD, "Promoted"),
        "promoted after s": passed,
        "of which held s": held,
        "cores meanwhile": (stage.cpu_seconds() - cpu) / passed,
        "writes a rollout": (meters.writes() - written) / count,
        "memory MiB then": stage.memory_mib(),
    }


def _fail(stage: Stage, count: int) -> Row:
    say(f"{WORSE} of {count} MLModels, which fails at {models.STEPS[0]['weight']} %")
    _begin(stage, count, WORSE)
    stage.judge(WORSE, "Failed")
    since = meters.now()
    over = lambda: meters.ended(WORSE, "RolledBack")  # noqa: E731
    wait(lambda: over() >= count, _LONGEST, lambda: f"{over()} taken back")
    return {
        "taken back": over(),
        "taken back after s": meters.now() - since,
        "evidence asked each s": models.INTERVAL_SECONDS,
    }


def _begin(stage: Stage, count: int, version: str) -> None:
    """Publish it for all, have the operator look, and wait until each has its first share."""
    models.publish(stage, range(count), version)
    models.refresh(range(count), version)
    weight = int(str(models.STEPS[0]["weight"]))
    begun = lambda: meters.candidates(weight) + meters.ended(version, "Promoted")  # noqa: E731
    wait(lambda: begun() >= count, _LONGEST, lambda: f"{begun()} have their first share")


@contextmanager
def a_gateway() -> Iterator[None]:
    """Take up every route as it is, as a gateway's controller does, until the block ends."""
    over = threading.Event()

    def follow() -> None:
        custom = client.CustomObjectsApi()
        while not over.wait(_GATEWAY_SECONDS):
            for route in custom.list_namespaced_custom_object(*_ROUTES)["items"]:
                if _taken_up(route) != route["metadata"]["generation"]:
                    _take_up(custom, route)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _taken_up(route: dict[str, object]) -> object:
    status = route.get("status") or {}
    parents = status.get("parents") if isinstance(status, dict) else None
    return parents[0]["conditions"][0]["observedGeneration"] if parents else 0


def _take_up(custom: client.CustomObjectsApi, route: dict[str, dict[str, object]]) -> None:
    conditions = [
        {
            "type": kind,
            "status": "True",
            "reason": kind,
            "message": "",
            "observedGeneration": route["metadata"]["generation"],
            "lastTransitionTime": "2026-03-01T12:00:00Z",
        }
        for kind in ("Accepted", "ResolvedRefs")
    ]
    parent = {"parentRef": {"name": "edge"}, "controllerName": "example.org/gateway", "conditions": conditions}
    custom.patch_namespaced_custom_object_status(
        *_ROUTES, route["metadata"]["name"], {"status": {"parents": [parent]}},
        _content_type="application/merge-patch+json",
    )  # fmt: skip

"""What stands around the story: the charts before it, the clearing away after it, the evidence when it fails."""

from __future__ import annotations

import json

from hack.demo.cluster import ROOT, DemoFailed, Object
from hack.demo.model import NAMESPACE, Model
from hack.demo.screen import Screen

SYSTEM = "modelloop-system"
_RELEASES = ("modelloop", "modelloop-crds")
_SETTINGS = ("operator.registryPollSeconds=2", "operator.drainSeconds=10")
_OPERATOR = "app.kubernetes.io/instance=modelloop,app.kubernetes.io/component=operator"


def install(model: Model, screen: Screen) -> None:
    """Both charts by Helm, and operator pods of the images that are there now."""
    place = ("--namespace", SYSTEM, "--create-namespace")
    values = [part for setting in _SETTINGS for part in ("--set", setting)]
    with screen.step("install the operator by Helm"):
        crds = str(ROOT / "charts/modelloop-crds")
        model.cluster.helm("upgrade", "--install", "modelloop-crds", crds, *place, "--take-ownership")
        model.cluster.helm("upgrade", "--install", "modelloop", str(ROOT / "charts/modelloop"), *place, *values)
        # The image keeps its name when its content changes: only new pods run the new content.
        model.cluster.kubectl("-n", SYSTEM, "rollout", "restart", "deployment/modelloop")
        screen.say("waiting for the operator's pods to be ready")
        model.cluster.kubectl("-n", SYSTEM, "rollout", "status", "deployment/modelloop", "--timeout=180s")


def clear(model: Model, screen: Screen) -> None:
    """Take away what an earlier demo left: first the MLModel, then the versions that it read."""
    with screen.step("clear away an earlier demo"):
        if _has_mlmodels(model):
            model.cluster.kubectl("delete", "mlmodels", "--all", "-n", NAMESPACE, "--timeout=120s")
        screen.wait("its pods to leave", lambda: ", ".join(pod["metadata"]["name"] for pod in model.pods()), 120)
        store = model.store()
        for info in list(store.list("")):
            store.delete(info.key)


def take_down(model: Model, screen: Screen) -> None:
    """End the demo; the cluster stays, and the operator too where others have MLModels."""
    clear(model, screen)
    with screen.step("end the demo"):
        screen.say(f"deleting namespace {NAMESPACE}")
        model.cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=120s")
        if others := _others(model):
            screen.say(f"the operator stays: it serves {', '.join(others)}")
            return
        screen.say("uninstalling the operator")
        model.cluster.helm("uninstall", *_RELEASES, "--namespace", SYSTEM, "--ignore-not-found", "--wait")
        screen.say("gone; `make cluster-down` takes the cluster down too")


def evidence(model: Model) -> str:
    """What the cluster says about a demo that failed."""
    try:
        conditions = json.dumps(model.status().get("conditions", []), indent=2)
    except DemoFailed as error:
        conditions = f"unknown: {error}"
    pods = model.cluster.kubectl("-n", NAMESPACE, "get", "pods", "-o", "wide", check=False)
    logs = model.cluster.kubectl("-n", SYSTEM, "logs", "-l", _OPERATOR, "--tail=15", "--prefix", check=False)
    return f"conditions: {conditions}\npods:\n{pods}\noperator:\n{logs}"


def _has_mlmodels(model: Model) -> bool:
    return bool(model.cluster.get("customresourcedefinition", "mlmodels.modelloop.dev"))


def _others(model: Model) -> list[str]:
    if not _has_mlmodels(model):
        return []
    listed: list[Object] = model.cluster.get("mlmodels", "--all-namespaces").get("items", [])
    return [f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in listed]

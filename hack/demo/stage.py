"""What stands around the story: the charts before it, the clearing away after it, the evidence when it fails."""

from __future__ import annotations

import json

from hack.demo import witness
from hack.demo.cluster import ROOT, DemoFailed, Object
from hack.demo.model import NAME, NAMESPACE, Model
from hack.demo.screen import Screen

SYSTEM = "modelloop-system"
_RELEASES = ("modelloop", "modelloop-crds")
_SETTINGS = (
    "operator.registryPollSeconds=2",
    "operator.drainSeconds=10",
    "operator.monitorPollSeconds=2",
    # What it keeps ends with the demo, and windows are thirty seconds: it judges them as soon as they are over.
    "monitor.persistence.enabled=false",
    "monitor.extraEnv[0].name=MODELLOOP_MONITOR_GRACE_SECONDS",
    "monitor.extraEnv[0].value=8",
    "monitor.extraEnv[1].name=MODELLOOP_MONITOR_EVALUATE_SECONDS",
    "monitor.extraEnv[1].value=2",
    # Rollouts are judged by intervals of five seconds, as soon as predictors, which post every five, told of them.
    "monitor.extraEnv[2].name=MODELLOOP_MONITOR_TRAFFIC_SECONDS",
    "monitor.extraEnv[2].value=5",
    "monitor.extraEnv[3].name=MODELLOOP_MONITOR_SETTLE_SECONDS",
    "monitor.extraEnv[3].value=7",
    "monitor.extraEnv[4].name=MODELLOOP_MONITOR_FOLD_SECONDS",
    "monitor.extraEnv[4].value=1",
)
_CRD = "mlmodels.modelloop.dev"
_ANY_OPERATOR = "app.kubernetes.io/name=modelloop,app.kubernetes.io/component=operator"
_OPERATOR = f"app.kubernetes.io/instance=modelloop,{_ANY_OPERATOR}"


def install(model: Model, screen: Screen) -> None:
    """Both charts by Helm, and operator pods of the images that are there now."""
    place = ("--namespace", SYSTEM, "--create-namespace")
    values = [part for setting in _SETTINGS for part in ("--set-string" if "extraEnv" in setting else "--set", setting)]
    with screen.step("install operator and monitor by Helm"):
        crds = str(ROOT / "charts/modelloop-crds")
        model.cluster.helm("upgrade", "--install", "modelloop-crds", crds, *place, "--take-ownership")
        model.cluster.helm("upgrade", "--install", "modelloop", str(ROOT / "charts/modelloop"), *place, *values)
        # The image keeps its name when its content changes: only new pods run the new content.
        deployments = ("deployment/modelloop", "deployment/modelloop-monitor")
        model.cluster.kubectl("-n", SYSTEM, "rollout", "restart", *deployments)
        screen.say("waiting for the operator's and the monitor's pods to be ready")
        for deployment in deployments:
            model.cluster.kubectl("-n", SYSTEM, "rollout", "status", deployment, "--timeout=180s")


def clear(model: Model, screen: Screen) -> None:
    """Take away what an earlier demo left: first the MLModel, then the versions that it read."""
    with screen.step("clear away an earlier demo"):
        if _has_mlmodels(model):
            screen.say(f"waiting for the MLModels in {NAMESPACE} to be deleted")
            model.cluster.kubectl("delete", "mlmodels", "--all", "-n", NAMESPACE, "--timeout=120s")
        # What it was told in an earlier run is forgotten with it.
        model.cluster.kubectl("delete", "pod", witness.NAME, "-n", NAMESPACE, "--ignore-not-found", "--grace-period=1")
        # Also those that are on their way out: with their last breath they write what they have logged.
        leaving = ("--for=delete", "pods", "-l", f"modelloop.dev/model={NAME}", "-n", NAMESPACE, "--timeout=120s")
        model.cluster.kubectl("wait", *leaving, check=False)
        screen.wait("its pods to leave", lambda: ", ".join(pod["metadata"]["name"] for pod in model.pods()), 120)
        store = model.store()
        for info in list(store.list("")):
            store.delete(info.key)


def take_down(model: Model, screen: Screen) -> None:
    """End the demo; the cluster stays, and of what was installed all that others use."""
    clear(model, screen)
    with screen.step("end the demo"):
        _delete_namespace(model, screen, NAMESPACE)
        if others := _others(model):
            screen.say(f"the operator stays: it serves {', '.join(others)}")
            return
        screen.say("uninstalling the operator")
        model.cluster.helm("uninstall", *_RELEASES, "--namespace", SYSTEM, "--ignore-not-found", "--wait")
        # After the release: its Secret and the operators' Lease are in there.
        _delete_namespace(model, screen, SYSTEM)
        _delete_crd(model, screen)
        screen.say("gone; `make cluster-down` takes the cluster down too")


def _delete_namespace(model: Model, screen: Screen, name: str) -> None:
    screen.say(f"waiting for namespace {name} to be deleted, with its pods")
    model.cluster.kubectl("delete", "namespace", name, "--ignore-not-found", "--timeout=120s")


def _delete_crd(model: Model, screen: Screen) -> None:
    """The chart keeps it when it is uninstalled, for with it go all MLModels; here there are none."""
    if operators := _located(model, "deployments", "-l", _ANY_OPERATOR):
        screen.say(f"the resource MLModel stays: {', '.join(operators)} watches it")
        return
    screen.say("deleting the resource MLModel")
    model.cluster.kubectl("delete", "customresourcedefinition", _CRD, "--ignore-not-found", "--timeout=60s")


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
    return bool(model.cluster.get("customresourcedefinition", _CRD))


def _others(model: Model) -> list[str]:
    return _located(model, "mlmodels") if _has_mlmodels(model) else []


def _located(model: Model, *what: str) -> list[str]:
    listed: list[Object] = model.cluster.get(*what, "--all-namespaces").get("items", [])
    return [f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in listed]

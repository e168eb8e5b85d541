"""Alerting rules and dashboards against what operator, monitor and predictor really measure, by Debian's Prometheus."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from cluster.control_plane import ROOT, eventually
from cluster.gateway import a_gateway
from cluster.operator_process import OperatorProcess
from cluster.scene import Scene
from modelloop_core.api import REQUEST_ANNOTATION
from modelloop_core.wire.settings import ModelSettings, settings_path
from support.monitor_process import MonitorProcess
from support.predictor_process import PredictorProcess
from support.prometheus_process import PrometheusProcess, promtool
from support.published import people_reference, publish_people

RULES = ROOT / "charts/modelloop/files/rules.yaml"
DASHBOARDS = sorted((ROOT / "charts/modelloop/files/dashboards").glob("*.json"))
PERSON = {"age": 31, "income": 2500.0, "member": True, "region": "north", "device": "phone"}
HASTY = {"grace_seconds": 0, "fold_seconds": 0.5, "evaluate_seconds": 0.5}
_COMPARED = re.compile(r"\s*[<>]=?\s*[0-9.]+$")


def rules() -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        yield from group["rules"]


def queries() -> dict[str, str]:
    """Every query by where it stands, without its comparison (which has no data while all is well) and variables."""
    found = {f"alert {rule['alert']}": _COMPARED.sub("", rule["expr"]) for rule in rules()}
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                where = f"{path.stem}: {panel['title']} {target['refId']}"
                found[where] = re.sub(r"\$[a-z]+", ".*", target["expr"])
    return found


@pytest.fixture
def prometheus(unattended: Scene, start: Callable[..., OperatorProcess], tmp_path: Path) -> Iterator[PrometheusProcess]:
    """Prometheus over an operator, a monitor and a predictor that has answered well and badly."""
    publish_people(tmp_path / "registry", tmp_path, reference=people_reference())
    unattended.publish("1.0.0")
    settings = {"model_namespace": "shop", "model_name": "people", "pod_name": "people-0", "timeout_seconds": 10}
    posting = {"monitor_post_seconds": 0.5}
    with (
        MonitorProcess(f"sqlite:///{tmp_path}/monitor.db", **HASTY) as monitor,
        PredictorProcess(tmp_path, {**settings, **posting, "monitor_url": monitor.url}) as predictor,
    ):
        monitor.until_ready()
        watched = ModelSettings(window_seconds=10).model_dump_json()
        httpx.put(f"{monitor.url}{settings_path('shop', 'people')}", content=watched).raise_for_status()
        predictor.until_ready()
        variables = {"MODELLOOP_MONITOR_URL": monitor.url, "MODELLOOP_MONITOR_POLL_SECONDS": "1"}
        unattended.operators.append(start(**variables))
        begin_a_rollout(unattended)
        take_one_back(unattended)
        labels = {"namespace": "shop", "modelloop_dev_model": "people", "modelloop_dev_version": "1.2.3"}
        targets = {
            f"127.0.0.1:{predictor.port}": labels,
            monitor.url.removeprefix("http://"): {"namespace": "modelloop-system"},
            f"127.0.0.1:{unattended.operator.port}": {"namespace": "modelloop-system"},
        }
        for _ in range(3):
            assert predictor.predict({"features": PERSON}).status_code == 200
        assert predictor.predict({"features": {}}).status_code == 422
        with a_gateway(unattended), asked_on(predictor), PrometheusProcess(tmp_path, targets, RULES) as found:
            yield found


@contextmanager
def asked_on(predictor: PredictorProcess) -> Iterator[None]:
    """Ask it something until the block ends: of windows without requests nothing is measured."""
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.5):
            predictor.predict({"features": PERSON})

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def begin_a_rollout(scene: Scene) -> None:
    """1.1.0 of `churn` holds 5 %, of which a monitor says that nobody tells it anything."""
    edge = {"gateway": {"parentRefs": [{"name": "edge"}]}}
    steps = {"steps": [{"weight": 5, "hold": "1h"}], "analysis": {"interval": "1s"}}
    scene.plane.apply(scene.manifest(traffic=edge, rollout=steps))
    with a_gateway(scene):
        scene.serving("1.0.0")
        scene.publish("1.1.0")
        scene.until(lambda: scene.status().get("rollout", {}).get("verdict"), "a verdict about 1.1.0")


def take_one_back(scene: Scene) -> None:
    """1.1.0 of `basket` went live, and a person took it back."""
    scene.publish("1.0.0", "basket")
    scene.plane.apply(scene.manifest("basket", prefix="basket", rollout={"strategy": "BlueGreen"}))
    scene.serving("1.0.0", "basket")
    scene.publish("1.1.0", "basket")
    scene.until(lambda: scene.live("basket") == "1.1.0", "its promotion")
    asked = f'{REQUEST_ANNOTATION}={{"id": "1", "verb": "rollback", "by": "ann"}}'
    scene.plane.must("annotate", "mlmodel", "basket", "-n", scene.namespace, asked)
    scene.until(lambda: scene.live("basket") == "1.0.0", "the way back")


def test_every_query_of_rules_and_dashboards_returns_data(prometheus: PrometheusProcess) -> None:
    asked = queries()
    assert len(asked) > 30
    empty = lambda: sorted(where for where, query in asked.items() if not prometheus.query(query))  # noqa: E731
    eventually(lambda: not empty(), "data for each query", seconds=60, explain=lambda: "\n".join(empty()))
    fires = {name: state for name, state in prometheus.alerts().items() if state != "inactive"}
    assert fires == {"ModelLoopVersionTakenBack": "firing"}


def test_a_metric_of_a_model_keeps_its_namespace(prometheus: PrometheusProcess, unattended: Scene) -> None:
    (found,) = (
        one["metric"]
        for one in eventually(
            lambda: prometheus.query('modelloop_operator_rollout_info{model="churn"}'), "its series", seconds=30
        )
    )
    assert (found["namespace"], found["version"]) == (unattended.namespace, "1.1.0")
    assert found["waits_for"] == "HoldingStep"


def test_promtool_has_nothing_to_say_about_the_rules() -> None:
    assert f"{len(list(rules()))} rules found" in promtool("check", "rules", str(RULES))


def test_every_rule_says_how_grave_it_is_what_is_wrong_and_what_to_do() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in ("info", "warning", "critical"), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]
        assert _COMPARED.search(rule["expr"]), f"{rule['alert']}: this test cannot take its comparison off"


def test_every_panel_has_a_place_of_its_own_and_says_what_it_shows() -> None:
    for path in DASHBOARDS:
        panels = json.loads(path.read_text())["panels"]
        places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
        assert len(places) == len({panel["id"] for panel in panels}) == len(panels), path.name
        assert all(panel["title"] and panel["description"] for panel in panels), path.name

"""What comparing answers rests on: the gateway's Envoy gives a request and its copy the same id, and both are told."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from hack.cluster import binaries

from contract.test_predictor_telemetry import PERSON, REFERENCE, counting
from support.monitor_stub import MonitorStub
from support.predictor_process import eventually
from support.published import publish_people
from support.s3_server import free_port

REQUESTS = 60
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
CONNECTIONS = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


def address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def cluster(name: str, port: int) -> dict[str, Any]:
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}]
    return {"name": name, "type": "STATIC", "load_assignment": {"cluster_name": name, "endpoints": endpoints}}


def configuration(port: int, live: int, tried: int) -> dict[str, Any]:
    """Copies of half of the requests, as Envoy Gateway has them of a RequestMirror with a percentage."""
    half = {"default_value": {"numerator": 50, "denominator": "HUNDRED"}}
    copies = [{"cluster": "tried", "runtime_fraction": half}]
    routes = [{"match": {"prefix": "/"}, "route": {"cluster": "live", "request_mirror_policies": copies}}]
    manager = {
        "@type": CONNECTIONS,
        "stat_prefix": "all",
        "use_remote_address": True,
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    listener = {"address": address(port), "filter_chains": [chain]}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster("live", live), cluster("tried", tried)]}}


@contextmanager
def envoy(folder: Path, live: int, tried: int) -> Iterator[str]:
    """The Envoy of the clusters' gateway in front of two ports."""
    port = free_port()
    config = folder / "envoy.json"
    config.write_text(json.dumps(configuration(port, live, tried)))
    words = [str(binaries.envoy()), "-c", str(config), "--concurrency", "1", "--use-dynamic-base-id"]
    with (folder / "envoy.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: _answers(url), "Envoy to answer", (folder / "envoy.log").read_text)
        yield url
    finally:
        process.kill()
        process.wait(10)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def test_a_request_and_its_copy_are_told_under_one_id(tmp_path: Path) -> None:
    capture = {"capture": '{"predictions": 1.0, "features": 0.0}'}
    for name in ("live", "tried"):
        (tmp_path / name).mkdir()
        publish_people(tmp_path / name / "registry", tmp_path / name, reference=REFERENCE)
    with (
        MonitorStub() as told_live,
        MonitorStub() as told_tried,
        counting(tmp_path / "live", told_live, **capture) as live,
        counting(tmp_path / "tried", told_tried, mirror_port=0, **capture) as tried,
        envoy(tmp_path, live.port, int(tried.named("listening")[0]["mirror_port"])) as url,
        httpx.Client(base_url=url) as client,
    ):
        for _ in range(REQUESTS):
            assert client.post("/predict", json={"features": PERSON}).status_code == 200
        eventually(lambda: len(_ids(told_live, "predictions")) == REQUESTS, "all requests", live.describe)
        eventually(lambda: len(_ids(told_tried, "mirrored_predictions")) > REQUESTS / 5, "copies", tried.describe)
        copied = _ids(told_tried, "mirrored_predictions")
    assert set(copied) <= set(_ids(told_live, "predictions"))
    assert len(set(copied)) == len(copied)
    assert not _ids(told_tried, "predictions"), "no copy is live traffic"


def _ids(stub: MonitorStub, part: str) -> list[str]:
    return [one.request_id for post in stub.posts for one in getattr(post, part)]

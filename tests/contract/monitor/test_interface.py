"""The documented interface: examples work as written, the OpenAPI document holds together, and no body is a failure."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.monitor_process import MonitorProcess
from support.monitors import DIGEST, REFERENCE, Running, example_post, running

DOCS = Path(__file__).parents[3] / "docs" / "monitor.md"


def test_the_examples_of_the_docs_work(tmp_path: Path) -> None:
    block = re.search(r"A test runs these.*?```bash\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert block is not None
    (tmp_path / "reference.json").write_bytes(REFERENCE)
    (tmp_path / "post.json").write_text(json.dumps(example_post(0, time.time())))
    with MonitorProcess(f"sqlite:///{tmp_path / 'm.db'}", fold_seconds=0.05) as monitor:
        monitor.until_ready()
        for command in block[1].strip().splitlines():
            ran = subprocess.run(
                ["bash", "-c", command],
                env={**os.environ, "MONITOR": monitor.url, "DIGEST": DIGEST},
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            assert ran.returncode == 0, f"{command}: {ran.stdout} {ran.stderr} {monitor.describe()}"
        assert '"name":"churn"' in ran.stdout


@pytest.fixture(scope="module")
def monitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(f"sqlite:///{tmp_path_factory.mktemp('monitor') / 'm.db'}") as found:
        found.put_reference()
        yield found


def test_the_openapi_document_refers_to_nothing_that_is_not_there(monitor: Running) -> None:
    document = monitor.client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    for reference in _references(document):
        assert reference.removeprefix("#/components/schemas/") in schemas
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)


def test_every_page_of_the_interface_is_in_the_docs(monitor: Running) -> None:
    text = DOCS.read_text()
    for path in monitor.client.get("/openapi.json").json()["paths"]:
        last = path.removeprefix("/v1/models/{namespace}/{name}")
        assert (last if last != path else path).partition("/{silence}")[0] in text, path


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
_PLACES = (
    "source",
    "sequence",
    "namespace",
    "reference",
    "since",
    "until",
    "features",
    "outputs",
    "traffic",
    "predictions",
)
_CALLS = (
    ("POST", "/v1/profiles"),
    ("PUT", "/v1/models/shop/churn/settings"),
    ("POST", "/v1/models/shop/churn/silences"),
    ("POST", "/v1/models/shop/churn/erasures"),
    ("PUT", f"/v1/references/{DIGEST}"),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(call=st.sampled_from(_CALLS), body=_JSON)
def test_no_json_makes_it_fail(monitor: Running, call: tuple[str, str], body: Any) -> None:
    answer = monitor.client.request(*call, content=json.dumps(body))
    if answer.status_code == 204 and body == {}:
        # Settings without anything are the defaults.
        return
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(_PLACES), value=_JSON)
def test_no_part_of_a_post_makes_it_fail(monitor: Running, place: str, value: Any) -> None:
    answer = monitor.post(example_post(0) | {place: value})
    assert answer.status_code in (200, 422), answer.text
    monitor.fold()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(call=st.sampled_from(_CALLS), body=st.binary(max_size=60), packed=st.booleans())
def test_no_bytes_make_it_fail(monitor: Running, call: tuple[str, str], body: bytes, packed: bool) -> None:
    headers = {"content-encoding": "gzip"} if packed else {}
    assert monitor.client.request(*call, content=body, headers=headers).status_code in (400, 422)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"origin": "http://evil"}, 403, id="another site"),
        pytest.param({"sec-fetch-site": "cross-site", "origin": "http://testserver"}, 403, id="as the browser says"),
        pytest.param({"sec-fetch-site": "same-origin"}, 201, id="this site"),
        pytest.param({}, 201, id="a program"),
    ],
)
def test_changes_that_a_browser_brings_from_another_site_are_refused(
    monitor: Running, headers: dict[str, str], status: int
) -> None:
    wanted = json.dumps({"seconds": 60, "reason": "r"})
    told = {"content-type": "text/plain", **headers}
    answer = monitor.client.post("/v1/models/shop/churn/silences", content=wanted, headers=told)
    assert answer.status_code == status, answer.text


def _references(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        if isinstance(document.get("$ref"), str):
            yield document["$ref"]
        for part in document.values():
            yield from _references(part)
    elif isinstance(document, list):
        for part in document:
            yield from _references(part)

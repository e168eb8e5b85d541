"""A predictor's counts as the monitor gets them: each live row once, by every way in and whatever the monitor does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

from modelloop_core.capture import Capture
from modelloop_core.drift.reference import REFERENCE_NAME, build_reference, digest_of
from modelloop_core.manifest import ModelFormat
from modelloop_core.wire.predictions import FORCED_HEADER
from modelloop_core.wire.profiles import LATENCY_BOUNDS, REFERENCES_PATH
from support import model_files, monitor_stub
from support.monitor_stub import MonitorStub
from support.open_inference import person
from support.predictor_process import PredictorProcess, eventually
from support.published import PEOPLE, pair, people_reference, publish, publish_people
from support.raw_http import Wire, chunked, request

PERSON = {"age": 31, "income": 2500.0, "member": True, "region": "north", "device": "phone"}
REFERENCE = people_reference()
INFER = "/v2/models/people/infer"


@pytest.fixture
def monitor() -> Iterator[MonitorStub]:
    with MonitorStub() as stub:
        yield stub


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    publish_people(tmp_path / "registry", tmp_path, reference=REFERENCE)
    return tmp_path


@contextmanager
def counting(folder: Path, monitor: MonitorStub, **settings: object) -> Iterator[PredictorProcess]:
    """A predictor that is ready and posts to the stub five times a second."""
    given = {
        "model_namespace": "shop",
        "model_name": "people",
        "monitor_url": monitor.url,
        "monitor_post_seconds": 0.2,
        "pod_name": "people-0",
        "timeout_seconds": 10,
        **settings,
    }
    with PredictorProcess(folder, given, {"MODELLOOP_MONITOR_TOKEN": "sesame"}) as predictor:
        yield predictor.until_ready()


def reaches(monitor: MonitorStub, predictor: PredictorProcess, requests: int) -> None:
    """Wait until so many requests are posted, and that no more come with the next post."""
    seen = lambda: f"{monitor.requests()} of {requests}; {predictor.describe()}"  # noqa: E731
    eventually(lambda: monitor.requests() >= requests, f"{requests} requests", seen)
    posts = len(monitor.posts)
    eventually(lambda: len(monitor.posts) > posts, "one more post", seen)
    assert monitor.requests() == requests


def ask_grpc(predictor: PredictorProcess, **metadata: str) -> None:
    inputs = [
        pb.ModelInferRequest.InferInputTensor(
            name=one["name"],
            datatype=one["datatype"],
            shape=one["shape"],
            contents=pb.InferTensorContents(**_contents(one["datatype"], one["data"])),
        )
        for one in person()
    ]
    with grpc.insecure_channel(predictor.grpc_address) as channel:
        stub = GRPCInferenceServiceStub(channel)
        stub.ModelInfer(pb.ModelInferRequest(model_name="people", inputs=inputs), metadata=tuple(metadata.items()))


def _contents(datatype: str, data: list[Any]) -> dict[str, Any]:
    field = {"INT64": "int64_contents", "FP64": "fp64_contents", "BOOL": "bool_contents", "BYTES": "bytes_contents"}
    return {field[datatype]: [one.encode() for one in data] if datatype == "BYTES" else data}


def test_a_row_counts_once_by_every_way_in(folder: Path, monitor: MonitorStub) -> None:
    with counting(folder, monitor, grpc_port=0) as predictor:
        body = json.dumps({"features": PERSON}).encode()
        with predictor.connect() as connection:
            wire = Wire(connection)
            assert [wire.ask(request(body)).status for _ in range(3)] == [200] * 3
            assert wire.ask(chunked(body)).status == 200
        assert predictor.predict({"instances": [PERSON, {**PERSON, "device": None}]}).status_code == 200
        tensors = json.dumps({"inputs": person()}).encode()
        head = b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n" % INFER.encode()
        with predictor.connect() as connection:
            assert Wire(connection).ask(request(tensors, head=head)).status == 200
            assert Wire(connection).ask(chunked(tensors, head=head)).status == 200
        ask_grpc(predictor)
        reaches(monitor, predictor, 8)
    assert [monitor.total(feature.name) for feature in PEOPLE.inputs] == [9] * 5
    assert monitor.total("prediction", output=True) == 9
    assert sum(post.features["device"].null for post in monitor.posts if post.features) == 1
    # All ways count the same value in the same bin.
    age = np.sum([post.features["age"].counts for post in monitor.posts], axis=0)
    assert sorted(age.tolist())[-1] == 9
    assert sum(post.traffic.rows for post in monitor.posts) == 9
    assert {len(post.traffic.latency) for post in monitor.posts} == {len(LATENCY_BOUNDS) + 1}
    assert sum(sum(post.traffic.latency) for post in monitor.posts) == 8
    assert {post.reference for post in monitor.posts} == {digest_of(REFERENCE.to_json())}
    assert {(post.source, post.namespace, post.name, post.version) for post in monitor.posts} == {
        ("people-0", "shop", "people", "1.2.3")
    }
    assert [post.sequence for post in monitor.posts] == list(range(len(monitor.posts)))
    assert set(monitor.authorizations) == {"Bearer sesame"}


def test_what_is_no_live_traffic_is_answered_and_not_counted(folder: Path, monitor: MonitorStub) -> None:
    with counting(folder, monitor, grpc_port=0, mirror_port=0) as predictor:
        forced = {FORCED_HEADER: "v1.2.3"}
        mirror = f"http://127.0.0.1:{predictor.named('listening')[0]['mirror_port']}"
        body = json.dumps({"features": PERSON}).encode()
        line = f"{FORCED_HEADER}: v1.2.3".encode()
        with predictor.connect() as connection:
            wire = Wire(connection)
            assert [wire.ask(request(body, line)).status for _ in range(2)] == [200] * 2
            assert wire.ask(chunked(body, line)).status == 200
        ask_grpc(predictor, **forced)
        for path, document in (("/predict", {"features": PERSON}), (INFER, {"inputs": person()})):
            assert httpx.post(f"{mirror}{path}", json=document).status_code == 200
            chunks = iter([json.dumps(document).encode()])
            headers = {"content-type": "application/json"}
            assert httpx.post(f"{mirror}{path}", content=chunks, headers=headers).status_code == 200
        for path in ("/healthz", "/readyz", "/metrics", "/model"):
            assert predictor.get(path).status_code == 200
        assert predictor.predict({"features": {**PERSON, "device": "mirror"}}).status_code == 200
        strange = {"features": {**PERSON, "device": "never"}}
        assert httpx.post(f"{predictor.url}/predict", json=strange, headers=forced).status_code == 200
        reaches(monitor, predictor, 1)
        answered = 'modelloop_predictor_requests_total{code="200"} 10.0'
        assert answered in predictor.get("/metrics").text
    assert monitor.total("age") == 1
    unseen: dict[str, int] = {}
    for post in monitor.posts:
        unseen |= post.features["device"].unseen
    assert unseen == {"mirror": 1}


def test_copies_are_told_apart_with_their_answers(folder: Path, monitor: MonitorStub) -> None:
    capture = '{"predictions": 1.0, "features": 0.0}'
    with counting(folder, monitor, mirror_port=0, capture=capture) as predictor:
        mirror = f"http://127.0.0.1:{predictor.named('listening')[0]['mirror_port']}"
        ids = [f"copy-{place}" for place in range(3)]
        for number, path, document in (
            (0, "/predict", {"features": PERSON}),
            (1, "/predict", {"instances": [PERSON, PERSON]}),
            (2, INFER, {"inputs": person()}),
        ):
            headers = {"x-request-id": ids[number]}
            assert httpx.post(f"{mirror}{path}", json=document, headers=headers).status_code == 200
        assert httpx.post(f"{mirror}/predict", json={"features": [1]}).status_code == 422
        assert predictor.predict({"features": PERSON}).status_code == 200
        reaches(monitor, predictor, 1)
        told = lambda: sum(post.mirrored.requests for post in monitor.posts if post.mirrored)  # noqa: E731
        eventually(lambda: told() >= 4, "four copies", lambda: f"{told()}; {predictor.describe()}")
    copies = [post.mirrored for post in monitor.posts if post.mirrored]
    assert (sum(one.rows for one in copies), sum(one.invalid for one in copies)) == (4, 1)
    logged = [(one.request_id, one.row) for post in monitor.posts for one in post.mirrored_predictions]
    assert sorted(logged) == [("copy-0", 0), ("copy-1", 0), ("copy-1", 1), ("copy-2", 0)]
    assert sum(len(post.predictions) for post in monitor.posts) == 1, "a copy is in no log that labels find"
    assert [one.entity for post in monitor.posts for one in post.mirrored_predictions] == [None] * 4
    assert monitor.total("age") == 1


def test_refused_and_fallback_answers_are_traffic_but_no_rows(tmp_path: Path, monitor: MonitorStub) -> None:
    model = model_files.torchscript(model_files.RaisesAboveHundred(), tmp_path / ModelFormat.TORCHSCRIPT.value)
    reference = build_reference(pair(), np.arange(40.0).reshape(20, 2), np.full(20, 0.5))
    publish(tmp_path / "registry", model, pair(), example=(1.0, 2.0), more_files={REFERENCE_NAME: reference.to_json()})
    with counting(tmp_path, monitor, fallback='{"constant": 0.25}') as predictor:
        assert predictor.predict({"features": [1.0]}).status_code == 422
        assert predictor.predict({"features": [200.0, 1.0]}).headers["x-model-fallback"] == "ModelFailed"
        assert predictor.predict({"features": [1.0, 2.0]}).status_code == 200
        reaches(monitor, predictor, 3)
    assert monitor.total("first") == monitor.total("prediction", output=True) == 1
    traffic = [post.traffic for post in monitor.posts]
    assert sum(one.invalid for one in traffic) == sum(one.fallbacks for one in traffic) == 1
    assert not any(one.errors for one in traffic)
    # The fallback's answer is one, what was refused is none.
    assert sum(sum(one.latency) for one in traffic) == 2


def test_cached_answers_are_live(folder: Path, monitor: MonitorStub) -> None:
    with counting(folder, monitor, cache_max_entries=10) as predictor:
        for _ in range(5):
            assert predictor.predict({"features": PERSON}).status_code == 200
        reaches(monitor, predictor, 5)
    assert monitor.total("age") == 5


def test_the_reference_is_brought_when_it_is_asked_for(folder: Path, monitor: MonitorStub) -> None:
    monitor.manner = monitor.asking_for_the_reference
    with counting(folder, monitor) as predictor:
        assert predictor.predict({"features": PERSON}).status_code == 200
        reaches(monitor, predictor, 1)
    document = REFERENCE.to_json()
    assert monitor.references == {f"{REFERENCES_PATH}/{digest_of(document)}": document}


def _slowest(predictor: PredictorProcess, requests: int, connections: int = 8) -> float:
    """The 99th percentile in seconds of requests on some connections at the same time; each is answered."""
    body = request(json.dumps({"instances": [PERSON] * 8}).encode())

    def ask(_: int) -> list[float]:
        taken = []
        with predictor.connect() as connection:
            wire = Wire(connection)
            for _ in range(requests // connections):
                began = time.perf_counter()
                assert wire.ask(body).status == 200
                taken.append(time.perf_counter() - began)
        return taken

    with ThreadPoolExecutor(connections) as pool:
        return float(np.quantile([one for part in pool.map(ask, range(connections)) for one in part], 0.99))


MOST_RATIO = 1.5
UNDER_LOAD: dict[str, Callable[[MonitorStub], monitor_stub.Manner]] = {
    "hangs": lambda stub: stub.hanging,
    "resets": lambda _: monitor_stub.reset,
    "answers garbage": lambda _: monitor_stub.garbage,
    "answers 503": lambda _: monitor_stub.failing,
    "trickles": lambda stub: stub.trickling,
}


def test_a_bad_monitor_is_nothing_that_callers_feel(folder: Path, monitor: MonitorStub) -> None:
    asked = 0
    with counting(folder, monitor) as well, PredictorProcess(folder, {}) as alone:
        alone.until_ready()
        for manner, choose in UNDER_LOAD.items():
            monitor.manner = choose(monitor)
            ratios: list[float] = []
            # Again where the machine was busy with something else: what a monitor does to callers it does each time.
            while min(ratios, default=9.0) > MOST_RATIO and len(ratios) < 10:
                ratios.append(_slowest(well, 800) / _slowest(alone, 800))
                asked += 800
            assert min(ratios) <= MOST_RATIO, (manner, ratios)
        monitor.released.set()
        monitor.manner = monitor.well
        eventually(lambda: monitor.total("age") >= 8 * asked, "all counts", well.describe, seconds=120)
        assert monitor.total("age") == 8 * asked


BAD_MANNERS: dict[str, Callable[[MonitorStub], monitor_stub.Manner]] = {
    "answers 503": lambda _: monitor_stub.failing,
    "answers garbage": lambda _: monitor_stub.garbage,
    "resets": lambda _: monitor_stub.reset,
    "applies and dies before its answer": lambda stub: stub.applying_in_silence,
}


@pytest.mark.parametrize("manner", BAD_MANNERS)
def test_nothing_is_lost_or_counted_twice_while_the_monitor(folder: Path, monitor: MonitorStub, manner: str) -> None:
    monitor.manner = BAD_MANNERS[manner](monitor)
    with counting(folder, monitor) as predictor:
        for _ in range(10):
            assert predictor.predict({"features": PERSON}).status_code == 200
        eventually(lambda: len(monitor.tries) >= 2, "a second try", predictor.describe)
        assert monitor.tries[0] == monitor.tries[1]
        monitor.manner = monitor.well
        reaches(monitor, predictor, 10)
        assert [one["reason"] for one in predictor.named("monitor-lost")] == ["MonitorLost"]
        assert predictor.named("monitor-back")
    assert monitor.total("age") == 10


def test_a_post_that_is_refused_is_dropped_and_counted(folder: Path, monitor: MonitorStub) -> None:
    monitor.manner = monitor_stub.refusing
    with counting(folder, monitor) as predictor:
        assert predictor.predict({"features": PERSON}).status_code == 200
        refused = 'modelloop_predictor_telemetry_rows_total{outcome="refused"} 1.0'
        eventually(lambda: refused in predictor.get("/metrics").text, "a refusal", predictor.describe)
        monitor.manner = monitor.well
        assert predictor.predict({"features": PERSON}).status_code == 200
        reaches(monitor, predictor, 1)


def test_the_last_counts_are_posted_when_it_is_asked_to_stop(folder: Path, monitor: MonitorStub) -> None:
    with counting(folder, monitor, monitor_post_seconds=3600, prestop_seconds=0) as predictor:
        for _ in range(3):
            assert predictor.predict({"features": PERSON}).status_code == 200
        predictor.terminate()
        assert predictor.exit_code() == 0
    assert monitor.requests() == monitor.total("age") == 3


def test_a_dead_monitor_does_not_hold_up_the_end(folder: Path, monitor: MonitorStub) -> None:
    monitor.manner = monitor.hanging
    with counting(folder, monitor, prestop_seconds=0) as predictor:
        eventually(lambda: monitor.tries, "a post", predictor.describe)
        predictor.terminate()
        assert predictor.exit_code(10) == 0
        assert predictor.named("counts-lost")


def test_logged_predictions_travel_with_the_counts(folder: Path, monitor: MonitorStub) -> None:
    capture = Capture(predictions=0.5, features=0.0).model_dump_json()
    with counting(folder, monitor, capture=capture) as predictor:
        answers = {}
        for number in range(200):
            body = {"features": PERSON, "request_id": f"asked-{number}", "user_id": number}
            answers[f"asked-{number}"] = predictor.predict(body).json()["prediction"]
        reaches(monitor, predictor, 200)
    logged = [one for post in monitor.posts for one in post.predictions]
    assert 70 < len(logged) < 130
    assert len({one.request_id for one in logged}) == len(logged)
    assert all(one.prediction == answers[one.request_id] and one.row == 0 for one in logged)
    assert all(one.entity == one.request_id.removeprefix("asked-") for one in logged)


def test_a_version_without_a_reference_says_so_and_posts_its_traffic(tmp_path: Path, monitor: MonitorStub) -> None:
    publish_people(tmp_path / "registry", tmp_path)
    with counting(tmp_path, monitor) as predictor:
        assert predictor.predict({"features": PERSON}).status_code == 200
        reaches(monitor, predictor, 1)
        shown = predictor.get("/model").json()["telemetry"]
        assert not shown["counting"]
        assert "has no reference.json" in shown["message"]
        assert len(predictor.named("telemetry")) == 1
    assert not any(post.features or post.reference for post in monitor.posts)


def test_without_a_monitor_there_is_no_telemetry(folder: Path) -> None:
    with PredictorProcess(folder, {}) as predictor:
        predictor.until_ready()
        assert predictor.predict({"features": PERSON}).status_code == 200
        assert "MODELLOOP_MONITOR_URL" in predictor.get("/model").json()["telemetry"]["message"]
        assert "telemetry" not in predictor.get("/metrics").text

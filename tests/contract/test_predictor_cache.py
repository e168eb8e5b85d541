"""Real predictors that share answers in a real Redis, which dies, comes back, and is never waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from modelloop_core.manifest import ModelFormat
from support import model_files
from support.predictor_process import PredictorProcess, eventually
from support.published import pair, publish
from support.redis_process import PASSWORD, RedisProcess


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisProcess]:
    with RedisProcess(tmp_path) as server:
        yield server


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    model = model_files.torchscript(model_files.Logistic(), tmp_path / ModelFormat.TORCHSCRIPT.value)
    publish(tmp_path / "registry", model, pair(), example=(1.0, 2.0))
    return tmp_path


def predictor(folder: Path, redis: RedisProcess, password: str = PASSWORD, **settings: object) -> PredictorProcess:
    # As long as it may be: what else runs on the machine is not what is tested.
    given = {"cache_max_entries": 100, "cache_redis_url": redis.url, "cache_redis_seconds": 1, **settings}
    return PredictorProcess(folder, given, {"MODELLOOP_CACHE_REDIS_PASSWORD": password})


def metric(process: PredictorProcess, name: str) -> float:
    for line in process.get("/metrics").text.splitlines():
        if line.startswith(f"modelloop_predictor_{name} "):
            return float(line.rpartition(" ")[2])
    raise AssertionError(f"no metric {name}")


def until_shared(process: PredictorProcess, redis: RedisProcess) -> None:
    """Ask ever new rows until an answer arrives in Redis: the connection is good then."""
    number = iter(range(1, 1_000_000))

    def arrived() -> bool:
        assert process.predict({"features": [next(number), -7]}).status_code == 200
        return bool(redis.client.dbsize())

    eventually(arrived, "an answer in Redis", process.describe)
    redis.client.flushall()


def test_pods_share_answers_and_an_answer_keeps_the_life_it_has_left(registry: Path, redis: RedisProcess) -> None:
    with (
        predictor(registry, redis, cache_ttl_seconds=30) as one,
        predictor(registry, redis, cache_ttl_seconds=30) as two,
    ):
        for process in (one, two):
            until_shared(process.until_ready(), redis)
        first = one.predict({"features": [1, 2]}).json()["prediction"]
        eventually(lambda: redis.client.dbsize() == 1, "the answer to be shared", one.describe)
        (name,) = redis.client.keys()
        assert name.startswith(b"modelloop:/model:1.2.3:")
        assert 0 < redis.client.pttl(name) <= 30_000
        redis.client.pexpire(name, 400)
        hits, misses = metric(two, "cache_hits_total"), metric(two, "cache_misses_total")
        assert two.predict({"features": [1, 2]}).json()["prediction"] == first
        assert (metric(two, "cache_hits_total"), metric(two, "cache_misses_total")) == (hits + 1, misses)

        def asked_again() -> bool:
            two.predict({"features": [1, 2]})
            return metric(two, "cache_misses_total") > misses

        # 30 s more, had it begun a new life in the second process.
        eventually(asked_again, "the answer to be forgotten", two.describe, seconds=10)


def test_redis_dies_in_mid_traffic_and_comes_back(registry: Path, redis: RedisProcess) -> None:
    with predictor(registry, redis, timeout_seconds=2) as process:
        until_shared(process.until_ready(), redis)
        stop, outcomes = threading.Event(), []

        def ask() -> None:
            number = 0
            with httpx.Client(base_url=process.url, timeout=20) as client:
                while not stop.is_set():
                    number += 1
                    began = time.perf_counter()
                    answer = client.post("/predict", json={"features": [number, 5]})
                    outcomes.append((answer.status_code, time.perf_counter() - began))

        caller = threading.Thread(target=ask)
        caller.start()
        try:
            eventually(lambda: redis.client.dbsize() > 20, "traffic", process.describe)
            redis.kill()
            eventually(lambda: process.named("cache-lost"), "the loss to be noticed", process.describe)
            before = len(outcomes)
            eventually(lambda: len(outcomes) > before + 50, "answers without Redis", process.describe)
            eventually(lambda: metric(process, "cache_errors_total") >= 2, "a second trial", process.describe)
            redis.start()
            eventually(lambda: process.named("cache-back"), "Redis to be noticed", process.describe)
            eventually(lambda: redis.client.dbsize() > 0, "answers in Redis again", process.describe)
        finally:
            stop.set()
            caller.join(20)
        assert {status for status, _ in outcomes} == {200}
        # At most the second for which Redis is waited for, and this machine's own; a deadline would answer 504.
        assert max(seconds for _, seconds in outcomes) < 2
        assert len(process.named("cache-lost")) == 1


def test_a_redis_that_stalls_is_not_waited_for(registry: Path, redis: RedisProcess) -> None:
    with predictor(registry, redis, timeout_seconds=2, cache_redis_seconds=0.1) as process:
        until_shared(process.until_ready(), redis)
        redis.stall()
        for number in range(20):
            assert process.predict({"features": [number, 9]}).status_code == 200
        eventually(lambda: process.named("cache-lost"), "the loss to be noticed", process.describe)


def test_a_wrong_password_costs_the_cache_alone_and_is_told(registry: Path, redis: RedisProcess) -> None:
    with predictor(registry, redis, password="wrong") as process:
        answers: list[Any] = [process.until_ready().predict({"features": [1, 2]}) for _ in range(3)]
        assert {answer.status_code for answer in answers} == {200}
        assert metric(process, "cache_hits_total") == 2
        eventually(lambda: process.named("cache-lost"), "it to be told", process.describe)
        assert "invalid username-password pair" in process.named("cache-lost")[0]["message"]
        assert "wrong" not in process.describe().replace("invalid username-password pair", "")


def test_what_is_no_answer_in_redis_is_not_believed(registry: Path, redis: RedisProcess) -> None:
    with predictor(registry, redis) as one, predictor(registry, redis) as two:
        for process in (one, two):
            until_shared(process.until_ready(), redis)
        first = one.predict({"features": [1, 2]}).json()["prediction"]
        eventually(lambda: redis.client.dbsize() == 1, "the answer to be shared", one.describe)
        (name,) = redis.client.keys()
        redis.client.set(name, b"nonsense", keepttl=True)
        assert two.predict({"features": [1, 2]}).json()["prediction"] == first
        assert metric(two, "cache_errors_total") == 1

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from modelloop_core.capture import Capture
from modelloop_core.fallback import Fallback, FallbackRule
from modelloop_core.feature_schema import Task
from modelloop_core.wire.environment import PREFIX, PredictorEnvironment
from modelloop_predictor.settings import SettingsError, read_settings

EVERYTHING: dict[str, Any] = {
    "registry_uri": "s3://models/churn",
    "registry_endpoint": "https://store.example:9000",
    "registry_region": "eu-central-1",
    "registry_ca_file": "/etc/ca/ca.crt",
    "model_version": "1.2.3-candidate.1",
    "model_namespace": "shop",
    "model_name": "churn",
    "task": Task.MULTICLASS,
    "device": "cuda",
    "timeout_seconds": 0.25,
    "entity_key": "customer",
    "threads": 3,
    "batch_max_size": 7,
    "batch_max_delay_seconds": 0.5,
    "fallback": Fallback(constant=0.5, rules=(FallbackRule(feature="region", op="eq", value="north", prediction=1),)),
    "cache_max_entries": 100,
    "cache_ttl_seconds": 2.5,
    "cache_redis_seconds": 0.02,
    "max_connections": 100,
    "cache_redis_url": "rediss://redis.cache:6380/1",
    "access_log_per_second": 3,
    "max_queue": 7,
    "max_body_bytes": 1000,
    "read_seconds": 2.5,
    "prestop_seconds": 0.5,
    "drain_seconds": 12.5,
    "port": 9090,
    "grpc_port": 9091,
    "mirror_port": 9092,
    "monitor_url": "http://monitor.modelloop:8080",
    "monitor_post_seconds": 2.0,
    "pod_name": "churn-v1-2-3-abcde",
    "capture": Capture(predictions=0.5, features=0.25, exclude=("income",), max_rows_per_second=7),
    "capture_upload_seconds": 60.0,
    "cache_dir": "/var/cache/other",
    "termination_log": "/dev/other-log",
}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def _set(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    given = {"REGISTRY_URI": "s3://models/churn", "MODEL_VERSION": "1.2.3", **variables}
    for name, value in given.items():
        monkeypatch.setenv(PREFIX + name, value)


def test_what_the_operator_writes_is_what_the_predictor_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(EVERYTHING) == set(PredictorEnvironment.model_fields)
    written = PredictorEnvironment(**EVERYTHING)
    for name, value in written.to_environ().items():
        monkeypatch.setenv(name, value)
    assert read_settings() == written
    assert len(written.to_environ()) == len(EVERYTHING)


def test_defaults_are_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    written = PredictorEnvironment(registry_uri="s3://models/churn", model_version="1.2.3")
    assert set(written.to_environ()) == {"MODELLOOP_REGISTRY_URI", "MODELLOOP_MODEL_VERSION"}
    _set(monkeypatch)
    assert read_settings() == written


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TIMEOUT_SECONDS", "0"),
        ("TIMEOUT_SECONDS", "soon"),
        ("TIMEOUT_SECONDS", "nan"),
        ("DEVICE", "tpu"),
        ("TASK", "ranking"),
        ("MODEL_VERSION", "latest"),
        ("THREADS", "0"),
        ("MAX_QUEUE", "-1"),
        ("PORT", "70000"),
        ("ENTITY_KEY", "features"),
        ("DRAIN_SECONDS", "-1"),
        ("DRAIN_SECONDS", "inf"),
        ("CACHE_TTL_SECONDS", "0"),
        ("CACHE_MAX_ENTRIES", "-1"),
        ("CACHE_REDIS_URL", "http://redis"),
        ("CACHE_REDIS_URL", "redis://redis:port/0"),
        ("CACHE_REDIS_URL", "redis://redis:99999/0"),
        ("CACHE_REDIS_URL", "redis://redis/first"),
        ("CACHE_REDIS_URL", "redis://redis/0?protocol=3"),
        ("CACHE_REDIS_URL", "redis://nothing-is-cached:6379/0"),
        ("MONITOR_URL", "monitor:8080"),
        ("MONITOR_URL", "http://monitor:8080"),
        ("MONITOR_POST_SECONDS", "0"),
        ("CAPTURE", "all"),
        ("FALLBACK", "half"),
        ("FALLBACK", '{"constant"'),
        ("FALLBACK", "{}"),
    ],
)
def test_a_bad_variable_stops_the_start_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    _set(monkeypatch, **{name: value})
    with pytest.raises(SettingsError, match=f"^MODELLOOP_{name}=") as refused:
        read_settings()
    assert value in str(refused.value)


def test_a_bad_part_of_the_fallback_is_named_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = {"feature": "age", "op": "above", "value": 3, "prediction": 1}
    _set(monkeypatch, FALLBACK=json.dumps({"rules": [rule]}))
    with pytest.raises(SettingsError, match=r"^MODELLOOP_FALLBACK: rules\.0\.op='above': .*'lt'"):
        read_settings()


def test_a_bad_part_of_the_capture_is_named_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, CAPTURE=json.dumps({"features": 1.5}))
    with pytest.raises(SettingsError, match=r"^MODELLOOP_CAPTURE: features=1\.5: "):
        read_settings()


def test_missing_variables_are_all_named() -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings()
    assert str(refused.value).splitlines() == [
        "MODELLOOP_REGISTRY_URI is not set",
        "MODELLOOP_MODEL_VERSION is not set",
    ]


def test_an_empty_variable_is_as_if_it_were_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, REGISTRY_ENDPOINT="", TASK="", TIMEOUT_SECONDS="")
    assert read_settings() == PredictorEnvironment(registry_uri="s3://models/churn", model_version="1.2.3")


def test_variables_of_other_services_are_let_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, MONITOR_SERVICE_HOST="10.96.0.7", MONITOR_PORT_80_TCP="tcp://10.96.0.7:80")
    assert read_settings().registry_uri == "s3://models/churn"

"""Settings and silences of a model: kept whole, by whoever may, on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from modelloop_core.wire.settings import DriftSettings, ModelSettings, settings_path
from modelloop_core.wire.tokens import namespace_token
from modelloop_monitor.store import models, silences
from modelloop_monitor.store.schema import WINDOWS
from support.monitors import NOON, Running, example_post, running

MODEL = ("shop", "churn")
SILENCES = "/v1/models/shop/churn/silences"


@pytest.fixture
def monitor(database: str) -> Iterator[Running]:
    with running(database) as found:
        yield found


def _put(monitor: Running, settings: ModelSettings) -> int:
    return int(monitor.client.put(settings_path(*MODEL), content=settings.model_dump_json()).status_code)


def _settings(monitor: Running) -> ModelSettings:
    with monitor.monitor.store.reading() as connection:
        return models.settings(connection, [MODEL])[MODEL]


def test_settings_are_kept_whole_and_do_not_touch_what_was_heard(monitor: Running) -> None:
    monitor.put_reference()
    assert _settings(monitor) == ModelSettings()
    wanted = ModelSettings(window_seconds=900, drift=DriftSettings(min_samples=50))
    assert _put(monitor, wanted) == 204
    monitor.post(example_post(0))
    monitor.fold()
    assert _settings(monitor) == wanted
    with monitor.monitor.store.reading() as connection:
        assert models.all_of(connection) == [models.Known(MODEL, NOON, NOON)]
        assert connection.execute(select(WINDOWS.c.seconds, WINDOWS.c.since)).one() == (900, int(NOON) - 900)
    assert _put(monitor, ModelSettings()) == 204
    assert _settings(monitor) == ModelSettings()


@pytest.mark.parametrize("body", ["", "[]", '{"window": 1}', '{"window_seconds": 9}', '{"drift": {"moderate": -1}}'])
def test_bad_settings_change_nothing(monitor: Running, body: str) -> None:
    assert monitor.client.put(settings_path(*MODEL), content=body).status_code in (400, 422)
    with monitor.monitor.store.reading() as connection:
        assert models.find(connection, MODEL) is None


def test_a_silence_expires_by_itself_and_can_be_ended(monitor: Running) -> None:
    made = monitor.client.post(SILENCES, json={"seconds": 600, "reason": "migration"})
    assert made.status_code == 201
    assert [found["id"] for found in monitor.client.get(SILENCES).json()["silences"]] == [made.json()["id"]]
    with monitor.monitor.store.reading() as connection:
        assert silences.until(connection, MODEL, NOON) == NOON + 600
        assert silences.until(connection, MODEL, NOON + 600) is None
    monitor.time[0] += 600
    assert monitor.client.get(SILENCES).json() == {"silences": []}
    assert monitor.client.delete(f"{SILENCES}/{made.json()['id']}").status_code == 204
    gone = monitor.client.delete(f"{SILENCES}/{made.json()['id']}")
    assert (gone.status_code, gone.json()["reason"]) == (404, "NotFound")


@pytest.mark.parametrize("body", [{"seconds": 59, "reason": "x"}, {"seconds": 600}, {"seconds": 1e9, "reason": "x"}])
def test_a_silence_needs_an_end_and_a_reason(monitor: Running, body: dict[str, object]) -> None:
    assert monitor.client.post(SILENCES, json=body).status_code == 422


def test_namespaces_are_kept_apart(database: str) -> None:
    with running(database, token="s3cret") as monitor:
        own = {"authorization": f"Bearer {namespace_token('s3cret', 'shop')}"}
        whole = {"authorization": "Bearer s3cret"}
        body = ModelSettings().model_dump_json()
        for headers, path, status in (
            ({}, settings_path(*MODEL), 401),
            (own, settings_path("bank", "churn"), 403),
            (own, settings_path(*MODEL), 204),
            (whole, settings_path("bank", "churn"), 204),
        ):
            assert monitor.client.put(path, content=body, headers=headers).status_code == status
        assert monitor.put_reference().status_code == 401
        assert monitor.client.put(f"/v1/references/{'0' * 64}", content=b"", headers=own).status_code == 422
        assert (
            monitor.post(example_post(0, namespace="bank", reference=None, features={}, outputs={}), **own).status_code
            == 403
        )
        assert monitor.post(example_post(0, reference=None, features={}, outputs={}), **own).status_code == 200

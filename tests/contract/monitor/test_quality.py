"""Quality by window and version on both databases: judged when windows end and labels come, and the same each time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from modelloop_core.drift.reference import build_reference, digest_of
from modelloop_core.feature_schema import MulticlassOutput
from modelloop_core.wire.settings import BusinessSettings, ModelSettings, settings_path
from modelloop_monitor.store import models, quality
from support.monitors import NOON, REFERENCE, SIGNATURE, Reference, Running, column, example_post, running
from support.outcomes import OWN, follow, log, log_rows, quality_of, tell, told

_HOUR = 3600
ELEVEN = NOON - _HOUR


@pytest.fixture
def monitor(database: str) -> Iterator[Running]:
    with running(database) as found:
        assert found.put_reference().status_code == 204
        yield found


def _scored(name: str, rows: int, at: float, seed: int = 0, **more: Any) -> tuple[list[dict[str, Any]], list[int]]:
    generator = np.random.default_rng(seed)
    scores = generator.beta(2, 2, rows).round(3)
    logged = [
        {"request_id": f"{name}-{place}", "at": at + place * 0.01, "prediction": float(score), **more}
        for place, score in enumerate(scores)
    ]
    return logged, (generator.random(rows) < scores).astype(int).tolist()


def _told(monitor: Running, logged: list[dict[str, Any]], labels: list[int]) -> None:
    feedback = [{"request_id": row["request_id"], "label": label} for row, label in zip(logged, labels, strict=True)]
    assert told(monitor, {**OWN, "feedback": feedback})["joined"] == len(labels)


def test_each_version_and_window_is_told_apart(monitor: Running) -> None:
    log(monitor, 0, "a", "b", at=NOON - 60)
    log(monitor, 1, "c", at=NOON - 60, version="1.1.0")
    log(monitor, 2, "d", at=NOON - 60 - _HOUR)
    tell(monitor, ("a", 1), ("b", 0), ("c", 1), ("d", 1))

    found = quality_of(monitor)

    assert [
        (item["version"], item["window"]["since"][11:13], item["labelled"], item["metrics"]["accuracy"]["value"])
        for item in found["reports"]
    ] == [("1.0.0", "10", 1, 1.0), ("1.0.0", "11", 2, 0.5), ("1.1.0", "11", 1, 1.0)]
    assert [item["version"] for item in found["feedback"]] == ["1.0.0", "1.1.0"]
    assert [report["version"] for report in quality_of(monitor, version="1.1.0")["reports"]] == ["1.1.0"]
    assert len(quality_of(monitor, windows=1)["reports"]) == 1


def test_a_window_that_has_ended_is_told_without_any_label(monitor: Running) -> None:
    log(monitor, 0, "a", at=NOON - 60)
    assert quality_of(monitor)["reports"] == [], "its last posts may be on their way"

    monitor.time[0] = NOON + 61

    [report] = quality_of(monitor)["reports"]
    assert (report["predictions"], report["labelled"], report["metrics"]) == (1, 0, {})
    assert report["share_labelled"]["value"] == 0.0
    assert report["estimate_note"].startswith("0 earlier predictions have labels")


def test_labels_that_come_later_have_the_window_judged_again_but_not_at_once(monitor: Running) -> None:
    log(monitor, 0, "a", "b")
    tell(monitor, ("a", 1))
    assert quality_of(monitor)["reports"][0]["labelled"] == 1
    tell(monitor, ("b", 1))

    assert quality_of(monitor)["reports"][0]["labelled"] == 1, "labels that come one by one cost one judgement a minute"
    monitor.time[0] += 60
    assert quality_of(monitor)["reports"][0]["labelled"] == 2


def test_a_label_that_comes_while_its_window_is_judged_is_not_lost(monitor: Running) -> None:
    log(monitor, 0, "a", "b")
    tell(monitor, ("a", 1))
    store = monitor.monitor.store
    with store.reading() as connection:
        [due] = quality.due(connection, NOON, 10)
    tell(monitor, ("b", 1))
    with store.writing() as connection:
        quality.save(connection, due, "{}", NOON)

    with store.reading() as connection:
        assert [item.key for item in quality.due(connection, NOON + 60, 10)] == [due.key]


def test_judging_again_says_the_same(database: str, monitor: Running) -> None:
    logged, labels = _scored("r", 300, ELEVEN)
    log_rows(monitor, 0, logged, ELEVEN + 10)
    _told(monitor, logged, labels)
    first = quality_of(monitor)["reports"]
    with monitor.monitor.store.writing() as connection:
        connection.exec_driver_sql("UPDATE quality SET judged = 0")
    monitor.time[0] += 60

    assert quality_of(monitor)["reports"] == first
    assert first[0]["metrics"]["brier"]["low"] < first[0]["metrics"]["brier"]["value"]


def test_quality_is_estimated_before_labels_from_earlier_ones(monitor: Running) -> None:
    before, labels = _scored("before", 2000, ELEVEN - _HOUR)
    log_rows(monitor, 0, before, ELEVEN - 60)
    _told(monitor, before, labels)
    now, truth = _scored("now", 2000, ELEVEN, seed=1)
    log_rows(monitor, 1, now, NOON - 60)
    monitor.time[0] = NOON + 61

    earlier, report = quality_of(monitor)["reports"]

    estimated = report["estimated"]["accuracy"]
    right = np.mean([(row["prediction"] >= 0.5) == label for row, label in zip(now, truth, strict=True)])
    assert report["metrics"] == {}
    assert estimated["low"] <= right <= estimated["high"]
    assert "blind to concept drift" in report["estimate_note"]
    assert earlier["estimated"] == {}


def test_growing_errors_are_told_with_their_date(monitor: Running) -> None:
    logged, labels = _scored("r", 3000, ELEVEN)
    turned = [label if place < 2000 else 1 - label for place, label in enumerate(labels)]
    log_rows(monitor, 0, logged, NOON - 60)
    _told(monitor, logged, turned)

    [feedback] = quality_of(monitor)["feedback"]

    assert feedback["labelled"] == 3000
    assert feedback["worsened"]["before"] < 0.4 < 0.6 < feedback["worsened"]["after"]
    since = datetime.fromisoformat(feedback["worsened"]["since"]).timestamp()
    assert since == pytest.approx(ELEVEN + 20, abs=1), "a hundred predictions a second, of which 2,000 went well"


def test_labels_that_come_days_late_find_their_window(monitor: Running) -> None:
    log(monitor, 0, "a", at=NOON - 60)
    monitor.time[0] = NOON + 5 * 86_400
    tell(monitor, ("a", 0))

    found = quality_of(monitor)

    assert found["reports"][0]["metrics"]["accuracy"]["value"] == 0.0
    assert found["feedback"][0]["latency_median"] == 5 * 86_400 + 60


def test_a_business_metric_that_was_asked_for_is_told_before_anything_happened(monitor: Running) -> None:
    wanted = (BusinessSettings(name="click", kind="rate"), BusinessSettings(name="basket", kind="sum"))
    with monitor.monitor.store.writing() as connection:
        models.set_up(connection, ("shop", "churn"), ModelSettings(business=wanted), NOON)
    log(monitor, 0, "a", "b")
    follow(monitor, {"request_id": "a", "name": "basket", "value": 1.0})

    business = quality_of(monitor)["reports"][0]["business"]

    assert (business["click"]["rate"]["value"], business["click"]["requests"]) == (0.0, 2)
    assert (business["basket"]["kind"], business["basket"]["mean"]["value"]) == ("sum", 0.5)


def test_what_was_asked_is_told_with_its_faults(monitor: Running) -> None:
    reference = Reference.model_validate_json(REFERENCE)
    plan = {**column(reference, "features", "plan", {0: 90, 2: 10}), "unseen": {"gold": 7, "trial": 3}}
    age = {**column(reference, "features", "age", {3: 60}), "null": 40}
    traffic = {"requests": 110, "rows": 100, "invalid": 10, "invalid_by": {"missing": 4, "out-of-domain": 8}}
    logged = [{"request_id": name, "at": NOON - 60, "prediction": 0.5} for name in ("a", "b", "a")]
    post = example_post(0, NOON - 60, features={"plan": plan, "age": age}, traffic=traffic, predictions=logged)
    assert monitor.post(post).status_code == 200
    monitor.fold()
    monitor.time[0] = NOON + 61

    found = quality_of(monitor)

    [data] = found["data"]
    assert (data["rows"], data["requests"]) == (100, 110)
    assert data["invalid"]["value"] == pytest.approx(10 / 110)
    kinds = {kind: share["value"] for kind, share in data["invalid_by"].items()}
    assert kinds == {"missing": pytest.approx(4 / 110), "out-of-domain": pytest.approx(8 / 110)}
    assert (data["nulls"]["age"]["value"], set(data["nulls"])) == (0.4, {"age"})
    assert (data["unseen"]["plan"]["value"], data["unseen_levels"]) == (0.1, {"plan": ["gold", "trial"]})
    assert data["duplicates"]["value"] == pytest.approx(1 / 3)
    assert data["nulls"]["age"]["low"] < 0.4 < data["nulls"]["age"]["high"]
    assert found["silent_seconds"] == 61


def test_a_window_of_seconds_has_the_requests_of_the_minute_around_it(monitor: Running) -> None:
    settings = ModelSettings(window_seconds=30).model_dump_json()
    assert monitor.client.put(settings_path("shop", "churn"), content=settings).status_code == 204
    traffic = {"requests": 10, "rows": 5, "invalid": 5, "invalid_by": {"missing": 5}}
    assert monitor.post(example_post(0, NOON - 20, traffic=traffic)).status_code == 200
    monitor.fold()
    monitor.time[0] = NOON + 61

    [data] = quality_of(monitor)["data"]

    assert data["window"]["since"] == "2026-03-02T11:59:30Z"
    assert (data["requests"], data["invalid_by"]["missing"]["value"]) == (10, 0.5)


def test_a_version_whose_reference_nobody_brought_is_not_judged_and_says_so(database: str) -> None:
    with running(database) as monitor:
        log(monitor, 0, "a", reference=None, features={}, outputs={})
        tell(monitor, ("a", "anything"))

        [report] = quality_of(monitor)["reports"]

        assert (report["labelled"], report["metrics"]) == (1, {})
        assert "no predictor has brought its reference" in report["message"]


def test_nothing_is_known_of_a_model_that_never_posted(monitor: Running) -> None:
    answer = monitor.client.get("/v1/models/shop/nobody/quality")

    assert (answer.status_code, answer.json()["reason"]) == (404, "UnknownModel")


def test_several_classes_are_measured_and_estimated_by_their_probabilities(database: str) -> None:
    generator = np.random.default_rng(0)
    signature = SIGNATURE.model_copy(update={"output": MulticlassOutput(classes=("cat", "dog", "owl"))})
    scores = generator.dirichlet((2, 1, 1), 1200).round(4)
    reference = build_reference(signature, np.zeros((1200, 2)), scores).to_json()
    digest = digest_of(reference)
    labels = (scores.cumsum(axis=1) > generator.random((1200, 1))).argmax(axis=1)
    bare = {"reference": digest, "features": {}, "outputs": {}}
    with running(database) as monitor:
        assert monitor.put_reference(reference, digest).status_code == 204
        for number, start in enumerate((ELEVEN - _HOUR, ELEVEN)):
            some = scores[number * 600 : (number + 1) * 600].tolist()
            logged = [{"request_id": f"{number}-{n}", "at": start + n, "prediction": row} for n, row in enumerate(some)]
            log_rows(monitor, number, logged, start + 1800, **bare)
        names = np.array(["cat", "dog", "owl"])[labels[:600]].tolist()
        feedback = [{"request_id": f"0-{n}", "label": name} for n, name in enumerate(names)]
        assert told(monitor, {**OWN, "feedback": feedback})["joined"] == 600
        tell(monitor, ("1-0", names[0]))

        first, second = quality_of(monitor)["reports"]

    assert set(first["metrics"]) == {"accuracy", "auc", "f1", "log_loss", "brier", "ece"}
    promised = second["estimated"]["accuracy"]
    assert promised["low"] < (scores[600:].argmax(axis=1) == labels[600:]).mean() < promised["high"]

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from modelloop_core.manifest import ModelFormat
from modelloop_predictor.readiness import Phase
from support import model_files
from support.predictor_inside import Predictor, Start, settings_for
from support.published import pair, publish


def test_before_loading_the_process_lives_but_is_not_ready(tmp_path: Path) -> None:
    with Predictor(settings_for(tmp_path)) as predictor:
        predictor.serving.readiness.enter(Phase.DOWNLOADING)
        assert predictor.ask("GET", "/healthz").json() == {"status": "alive"}
        unready = predictor.ask("GET", "/readyz")
        assert unready.status_code == 503
        assert unready.json()["detail"].startswith("Downloading: ")
        for answer in (predictor.predict({"features": [1, 2]}), predictor.ask("GET", "/model")):
            assert (answer.status_code, answer.json()["reason"]) == (503, "NotReady")
            assert int(answer.headers["retry-after"]) >= 1
        assert "Downloading" in predictor.ask("GET", "/docs").text
        assert predictor.ask("GET", "/openapi.json").status_code == 200
        assert predictor.metric("ready") == 0


def test_a_loaded_model_is_ready(people: Predictor) -> None:
    assert people.ask("GET", "/readyz").json() == {"status": "ready", "model_version": "v1.2.3"}


def test_while_draining_it_is_unready_but_answers_and_closes(started: Start) -> None:
    predictor = started(model_files.Logistic())
    predictor.serving.readiness.drain()
    assert predictor.ask("GET", "/readyz").json()["detail"].startswith("Draining: ")
    assert predictor.ask("GET", "/healthz").status_code == 200
    answer = predictor.predict({"features": [1, 2]})
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")


def test_a_version_that_becomes_ready_while_draining_stays_unready(started: Start) -> None:
    predictor = started(model_files.Logistic())
    predictor.serving.readiness.drain()
    predictor.serving.readiness.enter(Phase.READY)
    assert predictor.ask("GET", "/readyz").status_code == 503


def test_the_model_page_shows_signature_card_and_example(people: Predictor) -> None:
    page = people.ask("GET", "/model").json()
    assert page["model_version"] == "v1.2.3"
    assert [feature["name"] for feature in page["manifest"]["signature"]["inputs"]][:2] == ["age", "income"]
    assert page["manifest"]["metrics"] == {"auc": 0.9}
    assert "model_id: people" in page["card"]
    assert page["preprocessing"]["features"]["age"][0]["step"] == "scale"
    assert people.predict({"features": page["example"]}).status_code == 200


def test_without_an_example_one_is_made_from_the_signature(tmp_path: Path) -> None:
    path = model_files.torchscript(model_files.Logistic(), tmp_path / ModelFormat.TORCHSCRIPT.value)
    publish(tmp_path / "registry", path, pair())
    with Predictor(settings_for(tmp_path)) as predictor:
        assert predictor.load(tmp_path / "registry") is None
        example = predictor.ask("GET", "/model").json()["example"]
        assert predictor.predict({"features": example}).status_code == 200


def test_the_interface_is_described_with_the_models_own_features(people: Predictor) -> None:
    document = people.ask("GET", "/openapi.json").json()
    predict = document["paths"]["/predict"]["post"]
    schema = predict["requestBody"]["content"]["application/json"]["schema"]
    by_name = schema["properties"]["features"]["oneOf"][0]
    assert by_name["required"] == ["age", "income", "member", "region", "device"]
    assert by_name["properties"]["age"] == {"type": "integer", "minimum": 0, "maximum": 120}
    assert by_name["properties"]["region"]["enum"] == ["north", "south", "3", 3]
    assert by_name["properties"]["income"]["type"] == ["number", "null"]
    assert "user_id" in schema["properties"]
    assert set(predict["responses"]) >= {"200", "400", "408", "413", "415", "422", "500", "503", "504"}
    assert list(predict["responses"]["422"]["content"]) == ["application/problem+json"]
    own = {path for path in document["paths"] if not path.startswith("/v2")}
    assert own == {"/predict", "/healthz", "/readyz", "/metrics", "/model"}


def test_the_described_examples_are_valid_requests(people: Predictor) -> None:
    document = people.ask("GET", "/openapi.json").json()
    examples = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    for example in examples.values():
        assert people.predict(example["value"]).status_code == 200


def test_references_of_the_description_lead_somewhere(people: Predictor) -> None:
    text = people.ask("GET", "/openapi.json").text
    schemas = people.ask("GET", "/openapi.json").json()["components"]["schemas"]
    assert {name.rpartition("/")[2] for name in re.findall(r'"\$ref":"([^"]+)"', text)} <= set(schemas)


def test_the_docs_need_no_other_network(people: Predictor) -> None:
    page = people.ask("GET", "/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", page.text)
    assert "curl" in page.text
    assert "<td>region</td><td>one of</td><td>north, south, 3</td><td>no</td>" in page.text


def test_requests_predictions_and_errors_are_counted(started: Start) -> None:
    predictor = started(model_files.NaNAboveHundred())
    predictor.predict({"instances": [[1, 2], [3, 4]]})
    predictor.predict({"features": [101, 2]})
    predictor.predict({"features": []})
    predictor.ask("GET", "/healthz")
    counted = {code: predictor.metric("requests_total", code=code) for code in ("200", "422", "500")}
    assert counted == {"200": 1, "422": 1, "500": 1}
    assert predictor.metric("predictions_total") == 2
    assert predictor.metric("request_duration_seconds_count") == 3
    assert predictor.metric("errors_total", reason="BadOutput") == 1
    assert predictor.metric("errors_total", reason="InvalidRequest") == 1
    assert predictor.metric("requests_in_flight") == 0
    assert predictor.metric("model_info", version="1.2.3", format="torchscript") == 1
    assert predictor.metric("ready") == 1
    assert "modelloop_predictor_requests_total" in predictor.ask("GET", "/metrics").text


def test_a_request_is_one_log_event(people: Predictor, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="modelloop.predictor"):
        people.predict({"features": [], "request_id": "seen"})
        people.ask("GET", "/healthz")
    (record,) = caplog.records
    facts = record.facts  # type: ignore[attr-defined]
    assert (record.getMessage(), facts["request_id"], facts["status"]) == ("request", "seen", 422)
    assert facts["reason"] == "InvalidRequest"

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest

from modelloop_predictor.readiness import Phase
from support import model_files
from support.open_inference import INFER, infer, person, refusal
from support.predictor_inside import Predictor, Start, settings_for
from support.published import THREE_CLASSES

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_the_server_names_itself_and_its_extensions(people: Predictor) -> None:
    about = people.ask("GET", "/v2").json()
    assert about["name"] == "modelloop"
    assert re.fullmatch(r"\d+\.\d+\.\d+", about["version"])
    assert about["extensions"] == ["binary_tensor_data", "model_repository_index"]


def test_metadata_shows_a_tensor_for_each_feature_where_not_all_are_numbers(people: Predictor) -> None:
    assert people.ask("GET", "/v2/models/model").json() == {
        "name": "model",
        "versions": ["v1.2.3"],
        "platform": "pytorch_torchscript",
        "inputs": [
            {"name": "age", "datatype": "INT64", "shape": [-1]},
            {"name": "income", "datatype": "FP32", "shape": [-1]},
            {"name": "member", "datatype": "BOOL", "shape": [-1]},
            {"name": "region", "datatype": "BYTES", "shape": [-1]},
            {"name": "device", "datatype": "BYTES", "shape": [-1]},
        ],
        "outputs": [{"name": "prediction", "datatype": "FP64", "shape": [-1]}],
    }


def test_metadata_shows_one_tensor_and_the_other_form_where_all_are_numbers(started: Start) -> None:
    predictor = started(model_files.ThreeClasses(), THREE_CLASSES)
    about = predictor.ask("GET", "/v2/models/model/versions/1.2.3").json()
    assert about["inputs"] == [{"name": "features", "datatype": "FP32", "shape": [-1, 2]}]
    assert [spec["name"] for spec in about["column_inputs"]] == ["first", "second"]
    assert about["outputs"] == [
        {"name": "prediction", "datatype": "BYTES", "shape": [-1]},
        {"name": "probabilities", "datatype": "FP64", "shape": [-1, 3]},
    ]


def test_the_models_name_is_a_setting(started: Start) -> None:
    predictor = started(model_files.Logistic(), model_name="income")
    assert predictor.ask("GET", "/v2/models/income").json()["name"] == "income"
    refused = refusal(predictor.ask("GET", "/v2/models/model"), 404, "UnknownModel")
    assert refused["error"] == "there is no model 'model' here; this predictor serves 'income'"


def test_a_loaded_model_is_live_and_ready(people: Predictor) -> None:
    assert people.ask("GET", "/v2/health/live").json() == {"live": True}
    assert people.ask("GET", "/v2/health/ready").json() == {"ready": True}
    assert people.ask("GET", "/v2/models/model/ready").json() == {"name": "model", "ready": True}
    assert people.ask("GET", "/v2/models/model/versions/1.2.3/ready").status_code == 200
    for unknown in ("/v2/models/other/ready", "/v2/models/model/versions/2.0.0/ready"):
        refusal(people.ask("GET", unknown), 404, "UnknownModel")


def test_before_loading_it_is_live_but_not_ready(tmp_path: Path) -> None:
    with Predictor(settings_for(tmp_path)) as predictor:
        predictor.serving.readiness.enter(Phase.DOWNLOADING)
        assert predictor.ask("GET", "/v2/health/live").status_code == 200
        for path in ("/v2/health/ready", "/v2/models/model", "/v2/models/model/ready"):
            refused = refusal(predictor.ask("GET", path), 503, "NotReady")
            assert refused["error"].startswith("Downloading: ")
        refusal(infer(predictor, person()), 503, "NotReady")
        assert predictor.ask("POST", INFER, content=b"").headers["retry-after"] == "5"


@pytest.mark.parametrize(
    ("phase", "state"),
    [(Phase.LOADING, "LOADING"), (Phase.RETRYING, "LOADING"), (Phase.FAILED, "UNAVAILABLE"), (Phase.READY, "READY")],
)
def test_the_index_tells_the_models_state(tmp_path: Path, phase: Phase, state: str) -> None:
    with Predictor(settings_for(tmp_path)) as predictor:
        predictor.serving.readiness.hold(phase, "Because", "of this")
        (entry,) = predictor.ask("POST", "/v2/repository/index").json()
        reason = "" if phase is Phase.READY else "Because: of this"
        assert entry == {"name": "model", "version": "v1.2.3", "state": state, "reason": reason}
        ready = predictor.ask("POST", "/v2/repository/index", json={"ready": True}).json()
        assert ready == ([entry] if phase is Phase.READY else [])


@pytest.mark.parametrize("body", [b'{"ready": 1}', b'{"all": true}', b"[]", b'{"ready"', b"\xff", b"\x0c", b"\r\n"])
def test_an_index_of_something_else_is_refused(people: Predictor, body: bytes) -> None:
    refusal(people.ask("POST", "/v2/repository/index", content=body), 400, "MalformedBody")


def test_an_index_of_something_else_is_told_in_the_terms_of_json(people: Predictor) -> None:
    answer = people.ask("POST", "/v2/repository/index", content=b'{"ready": "yes"}')
    assert "Expected `true or false`, got `text`" in answer.json()["error"]


def test_while_draining_it_answers_and_closes(started: Start) -> None:
    predictor = started(model_files.Logistic())
    predictor.serving.readiness.drain()
    refusal(predictor.ask("GET", "/v2/health/ready"), 503, "NotReady")
    answer = infer(predictor, [{"name": "features", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}])
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")


def test_infer_is_counted_and_traced_as_predict_is(started: Start) -> None:
    predictor = started(model_files.Logistic())
    inputs: list[dict[str, Any]] = [{"name": "features", "datatype": "FP32", "shape": [2, 2], "data": [1, 2, 3, 4]}]
    body = json.dumps({"inputs": inputs})
    answer = predictor.ask("POST", INFER, content=body, headers={"traceparent": TRACE, "x-request-id": "from-header"})
    assert (answer.headers["traceparent"], answer.json()["id"]) == (TRACE, "from-header")
    infer(predictor, [])
    predictor.ask("GET", "/v2/models/model")
    assert predictor.metric("requests_total", code="200") == 1
    assert predictor.metric("requests_total", code="422") == 1
    assert predictor.metric("predictions_total") == 2
    assert predictor.metric("request_duration_seconds_count") == 2
    assert predictor.metric("errors_total", reason="InvalidRequest") == 1
    assert predictor.metric("requests_in_flight") == 0


def test_infer_is_one_log_event(people: Predictor, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="modelloop.predictor"):
        infer(people, person(age=[31, 32], income=[1.0] * 2, member=[True] * 2, region=["3"] * 2, device=["x"] * 2))
    (record,) = caplog.records
    facts = record.facts  # type: ignore[attr-defined]
    assert (facts["path"], facts["status"], facts["rows"]) == (INFER, 200, 2)


def test_the_description_lists_every_page(people: Predictor) -> None:
    document = people.ask("GET", "/openapi.json").json()
    model = "/v2/models/{name}"
    pages = {"/v2", "/v2/health/live", "/v2/health/ready", "/v2/repository/index"}
    pages |= {f"{base}{page}" for base in (model, f"{model}/versions/{{version}}") for page in ("", "/ready", "/infer")}
    assert {path for path in document["paths"] if path.startswith("/v2")} == pages
    assert "HTTPValidationError" not in json.dumps(document["paths"])


def test_the_description_shows_a_valid_request(people: Predictor) -> None:
    paths = people.ask("GET", "/openapi.json").json()["paths"]
    content = paths["/v2/models/{name}/infer"]["post"]["requestBody"]["content"]
    assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/InferRequest"}
    example = content["application/json"]["examples"]["one row"]["value"]
    assert infer(people, **example).status_code == 200
    responses = paths["/v2/models/{name}/infer"]["post"]["responses"]
    assert set(responses) >= {"200", "400", "404", "408", "413", "415", "422", "500", "503", "504"}
    assert responses["200"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/InferAnswer"}

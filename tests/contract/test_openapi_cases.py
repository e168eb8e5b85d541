from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from schemathesis import GenerationMode

from support.predictor_process import PredictorProcess
from support.published import publish_people

CASES = 60
"""Requests for each operation of the document: good ones, and ones that the document excludes."""


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[schemathesis.BaseSchema]:
    folder = tmp_path_factory.mktemp("openapi")
    publish_people(folder / "registry", folder)
    with PredictorProcess(folder, {"timeout_seconds": 10}) as predictor:
        yield schemathesis.openapi.from_url(f"{predictor.until_ready().url}/openapi.json")


@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
def test_each_operation_keeps_to_the_document(document: schemathesis.BaseSchema, mode: GenerationMode) -> None:
    asked = 0
    for operation in (found.ok() for found in document.get_all_operations()):
        if mode is GenerationMode.NEGATIVE and not operation.body:
            continue  # What takes nothing cannot be given anything wrong.
        cases = operation.as_strategy(generation_mode=mode)

        @settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=cases)
        def check(case: schemathesis.Case) -> None:
            # JSON Schema takes 4.0 for an integer; whom a prediction is about is no quantity.
            assume(not isinstance(case.body, dict) or not isinstance(case.body.get("user_id"), float))
            case.call_and_validate()

        check()
        asked += 1
    assert asked >= (2 if mode is GenerationMode.NEGATIVE else 8)

"""What the Job of a staging does: captured requests are asked again of a real predictor, and the outcome is one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from contract.conftest import Place
from contract.test_predictor_capture import PERSON, capturing, stop
from modelloop_core.capture import Capture
from modelloop_core.drift.reference import Reference
from modelloop_core.manifest import ModelFormat
from modelloop_core.preprocessing import Preprocessing, Scale
from modelloop_core.wire.runs import ReplayOutcome, outcome_key
from support import model_files
from support.predictor_process import PredictorProcess
from support.published import PEOPLE, PEOPLE_STEPS, people_reference, publish, publish_people
from support.published import PERSON as EXAMPLE
from support.s3_server import free_port

LIVE, TRIED = "1.2.3", "1.3.0"
ALL = Capture(predictions=1.0, features=1.0)
REFERENCE = people_reference()


def asked(place: Place, tmp_path: Path, capture: Capture = ALL, ages: range = range(20, 80)) -> None:
    """The live version was published, and asked about people of these ages."""
    publish_people(place.folder, tmp_path, reference=REFERENCE)
    with capturing(tmp_path, capture, place) as predictor:
        for age in ages:
            assert predictor.predict({"features": {**PERSON, "age": age}, "user_id": "somebody"}).status_code == 200
        stop(predictor)


def publish_tried(place: Place, tmp_path: Path, center: float = 40, reference: Reference | None = None) -> None:
    """The next version, which takes people for older or younger when `center` is another."""
    (tmp_path / TRIED).mkdir()
    model = model_files.torchscript(model_files.Logistic(), tmp_path / TRIED / ModelFormat.TORCHSCRIPT.value)
    steps = Preprocessing(features={**PEOPLE_STEPS.features, "age": (Scale(center=center, scale=10),)})
    publish(place.folder, model, PEOPLE, number=TRIED, preprocessing=steps, example=EXAMPLE)


def run_job(
    place: Place, target: str, *, run: str = "churn-replay-1", rows: int = 500, **settings: str
) -> subprocess.CompletedProcess[str]:
    """The Job's process, once it has ended."""
    environment = {"MODELLOOP_REGISTRY_URI": place.uri, "MODELLOOP_MODEL_VERSION": TRIED, **place.environment}
    words = ("--run", run, "--against", LIVE, "--target", target, "--rows", str(rows))
    return subprocess.run(
        [sys.executable, "-m", "modelloop_predictor.replay", *words],
        env={**_inherited(), **environment, "MODELLOOP_TIMEOUT_SECONDS": "10", **settings},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def replayed(
    place: Place, tmp_path: Path, target: str, *, run: str = "churn-replay-1", rows: int = 500
) -> ReplayOutcome:
    """The outcome that the Job's process leaves."""
    done = run_job(place, target, run=run, rows=rows)
    assert done.returncode == 0, done.stdout + done.stderr
    return ReplayOutcome.model_validate_json(place.store.read(outcome_key(run)))


def _inherited() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("MODELLOOP_", "AWS_"))}


def serving(place: Place, tmp_path: Path, **settings: Any) -> PredictorProcess:
    """A predictor of the version that is tried."""
    given = {"registry_uri": place.uri, "model_version": TRIED, "timeout_seconds": 10, **settings}
    return PredictorProcess(tmp_path, given, place.environment)


def test_a_version_that_answers_alike_is_told_with_its_numbers(place: Place, tmp_path: Path) -> None:
    asked(place, tmp_path)
    publish_tried(place, tmp_path)
    with serving(place, tmp_path) as predictor:
        found = replayed(place, tmp_path, predictor.until_ready().url)
        live = predictor.get("/metrics").text
    assert (found.asked, found.failures, found.compared, found.differing) == (60, {}, 60, 0)
    assert found.psi == pytest.approx(0, abs=1e-9)
    assert found.latency_p95 is not None
    assert 0 < found.latency_p95 < 10
    assert found.note == "only 60 requests were captured"
    assert 'modelloop_predictor_requests_total{code="200"} 60.0' in live


def test_only_the_newest_are_asked(directory_place: Place, tmp_path: Path) -> None:
    asked(directory_place, tmp_path)
    publish_tried(directory_place, tmp_path)
    with serving(directory_place, tmp_path) as predictor:
        found = replayed(directory_place, tmp_path, predictor.until_ready().url, rows=10)
    assert (found.asked, found.note) == (10, "")


def test_other_answers_are_counted_and_how_far_they_moved(directory_place: Place, tmp_path: Path) -> None:
    asked(directory_place, tmp_path)
    publish_tried(directory_place, tmp_path, center=140)
    with serving(directory_place, tmp_path) as predictor:
        found = replayed(directory_place, tmp_path, predictor.until_ready().url)
    assert found.compared == 60
    assert found.differing > 20
    assert found.psi is not None
    assert found.psi > 0.2


def test_requests_that_fail_are_told_by_reason(directory_place: Place, tmp_path: Path) -> None:
    asked(directory_place, tmp_path, ages=range(20, 30))
    publish_tried(directory_place, tmp_path)
    narrower = PEOPLE.model_copy(
        update={"inputs": (PEOPLE.inputs[0].model_copy(update={"maximum": 24}), *PEOPLE.inputs[1:])}
    )
    model = tmp_path / TRIED / ModelFormat.TORCHSCRIPT.value
    publish(
        directory_place.folder, model, narrower, number="1.4.0", preprocessing=PEOPLE_STEPS, example=(21, *EXAMPLE[1:])
    )
    with serving(directory_place, tmp_path, model_version="1.4.0") as predictor:
        found = replayed(directory_place, tmp_path, predictor.until_ready().url)
    assert (found.asked, found.failures, found.compared) == (10, {"InvalidRequest": 5}, 5)


def test_an_outcome_is_made_once(directory_place: Place, tmp_path: Path) -> None:
    asked(directory_place, tmp_path, ages=range(20, 25))
    publish_tried(directory_place, tmp_path)
    with serving(directory_place, tmp_path) as predictor:
        first = replayed(directory_place, tmp_path, predictor.until_ready().url)
    again = replayed(directory_place, tmp_path, "http://127.0.0.1:1")
    assert again == first


def test_a_version_that_nobody_answers_for_leaves_no_outcome_and_is_asked_again(
    directory_place: Place, tmp_path: Path
) -> None:
    asked(directory_place, tmp_path, ages=range(20, 25))
    publish_tried(directory_place, tmp_path)
    log = tmp_path / "termination-log"
    log.touch()
    url = f"http://127.0.0.1:{free_port()}"
    assert run_job(directory_place, url, MODELLOOP_TERMINATION_LOG=str(log)).returncode == 1
    assert json.loads(log.read_text())["reason"] == "Unreached"
    assert "1 of the first 1 of 5 requests came to no pod of 1.3.0" in log.read_text()
    with serving(directory_place, tmp_path) as predictor:
        found = replayed(directory_place, tmp_path, predictor.until_ready().url)
    assert (found.reached, found.failed) == (5, 0)


NOTHING = [
    pytest.param(None, "the registry has no captured features (spec.monitoring.capture.features)", id="no captures"),
    pytest.param(
        Capture(predictions=1.0, features=1.0, exclude=("age",)),
        "captures leave out age, which it needs (spec.monitoring.capture.exclude)",
        id="a feature that is left out",
    ),
]


@pytest.mark.parametrize(("capture", "note"), NOTHING)
def test_nothing_to_replay_is_said_and_is_no_failure(
    directory_place: Place, tmp_path: Path, capture: Capture | None, note: str
) -> None:
    if capture is None:
        publish_people(directory_place.folder, tmp_path)
    else:
        asked(directory_place, tmp_path, capture, ages=range(20, 25))
    publish_tried(directory_place, tmp_path)
    found = replayed(directory_place, tmp_path, "http://127.0.0.1:1")
    assert (found.asked, found.note) == (0, note)


def test_answers_that_were_not_logged_are_asked_and_not_compared(directory_place: Place, tmp_path: Path) -> None:
    asked(directory_place, tmp_path, Capture(predictions=0.0, features=1.0), ages=range(20, 25))
    publish_tried(directory_place, tmp_path)
    with serving(directory_place, tmp_path) as predictor:
        found = replayed(directory_place, tmp_path, predictor.until_ready().url)
    assert (found.asked, found.failed, found.compared, found.psi) == (5, 0, 0, None)


def test_a_damaged_capture_is_named_and_the_others_are_asked(directory_place: Place, tmp_path: Path) -> None:
    asked(directory_place, tmp_path, ages=range(20, 25))
    (held,) = directory_place.store.list("captures/features/")
    damaged = held.key.replace(".parquet", "-damaged.parquet")
    directory_place.store.create(damaged, b"PAR1 no table")
    publish_tried(directory_place, tmp_path)
    with serving(directory_place, tmp_path) as predictor:
        done = run_job(directory_place, predictor.until_ready().url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert damaged in done.stdout
    assert ReplayOutcome.model_validate_json(directory_place.store.read(outcome_key("churn-replay-1"))).asked == 5


def test_a_version_that_is_not_in_the_registry_ends_with_a_reason(directory_place: Place, tmp_path: Path) -> None:
    publish_people(directory_place.folder, tmp_path)
    log = tmp_path / "termination-log"
    log.touch()
    environment = {"MODELLOOP_REGISTRY_URI": directory_place.uri, "MODELLOOP_MODEL_VERSION": TRIED}
    done = subprocess.run(
        [sys.executable, "-m", "modelloop_predictor.replay", "--run", "r", "--against", LIVE, "--target", "http://x"],
        env={**_inherited(), **environment, "MODELLOOP_TERMINATION_LOG": str(log)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert '"reason": "VersionNotFound"' in log.read_text()

"""Predictions that a predictor logs, from its answers to the registry's Parquet: chosen, whole, and never twice."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from contract.conftest import Place
from modelloop_core.capture import Capture
from modelloop_core.captures import Kind
from modelloop_core.storage.port import ObjectStore
from modelloop_predictor.telemetry.predictions import share_of
from support.predictor_process import PredictorProcess, eventually
from support.published import publish_people

PERSON = {"age": 31, "income": 2500.0, "member": True, "region": "north", "device": "phone"}
ALL = Capture(predictions=1.0, features=1.0)


@contextmanager
def capturing(folder: Path, capture: Capture, place: Place | None = None, **changes: Any) -> Iterator[PredictorProcess]:
    """A predictor that is ready and logs what `capture` says."""
    uri = {} if place is None else {"registry_uri": place.uri}
    given = {"capture": capture.model_dump_json(), "pod_name": "people-0", "prestop_seconds": 0, **uri, **changes}
    with PredictorProcess(folder, given, {} if place is None else place.environment) as predictor:
        yield predictor.until_ready()


def ask(predictor: PredictorProcess, numbers: range) -> dict[str, float]:
    """Predictions by request id; three people ask in turn."""
    answers = {}
    for number in numbers:
        body = {"features": PERSON, "request_id": f"asked-{number}", "user_id": f"somebody-{number % 3}"}
        answers[f"asked-{number}"] = predictor.predict(body).json()["prediction"]
    return answers


def stop(predictor: PredictorProcess) -> None:
    predictor.terminate()
    assert predictor.exit_code() == 0


def rows(store: ObjectStore, kind: Kind) -> list[dict[str, Any]]:
    found = [pq.read_table(io.BytesIO(store.read(info.key))) for info in store.list(f"captures/{kind}/")]
    return [row for table in found for row in table.to_pylist()]


def ids(store: ObjectStore, kind: Kind = Kind.PREDICTIONS) -> list[str]:
    return [row["request_id"] for row in rows(store, kind)]


def test_what_was_chosen_arrives_whole_when_the_process_ends(place: Place, tmp_path: Path) -> None:
    publish_people(place.folder, tmp_path)
    capture = Capture(predictions=0.8, features=0.3, exclude=("income",))
    with capturing(tmp_path, capture, place) as predictor:
        answers = ask(predictor, range(60))
        stop(predictor)
    assert sorted(ids(place.store)) == sorted(one for one in answers if share_of(one) < 0.8)
    assert sorted(ids(place.store, Kind.FEATURES)) == sorted(one for one in answers if share_of(one) < 0.3)
    for row in rows(place.store, Kind.PREDICTIONS):
        assert row["prediction"] == answers[row["request_id"]]
        assert row["entity"] == f"somebody-{int(row['request_id'].removeprefix('asked-')) % 3}"
    assert {tuple(row["features"].items()) for row in rows(place.store, Kind.FEATURES)} == {
        tuple((name, value) for name, value in PERSON.items() if name != "income")
    }


def test_files_come_while_it_serves(tmp_path: Path, directory_place: Place) -> None:
    publish_people(directory_place.folder, tmp_path)
    with capturing(tmp_path, ALL, directory_place, capture_upload_seconds=0.5) as predictor:
        ask(predictor, range(3))
        eventually(lambda: len(ids(directory_place.store)) == 3, "three predictions", predictor.describe)
        ask(predictor, range(3, 5))
        eventually(lambda: len(ids(directory_place.store)) == 5, "two more", predictor.describe)
        written = 'modelloop_predictor_telemetry_logged_total{outcome="written"} 5.0'
        assert written in predictor.get("/metrics").text
        shown = predictor.get("/model").json()["telemetry"]
        assert (shown["counting"], shown["predictions"], shown["features"]) == (False, True, True)


def test_what_a_killed_process_has_spooled_is_brought_by_the_next_and_once(
    tmp_path: Path, directory_place: Place
) -> None:
    publish_people(directory_place.folder, tmp_path)
    with capturing(tmp_path, ALL, directory_place) as predictor:
        answers = ask(predictor, range(20))
        spools = tmp_path / "cache" / "captures"
        eventually(lambda: _spooled(spools) == 20, "the spool", predictor.describe)
        predictor.process.kill()
        predictor.process.wait(10)
    with capturing(tmp_path, ALL, directory_place) as predictor:
        answers |= ask(predictor, range(20, 25))
        stop(predictor)
    assert sorted(ids(directory_place.store)) == sorted(answers)
    assert sorted(ids(directory_place.store, Kind.FEATURES)) == sorted(answers)


def _spooled(folder: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("*/*.open"))


def test_a_registry_that_is_away_loses_nothing(tmp_path: Path, directory_place: Place) -> None:
    publish_people(directory_place.folder, tmp_path)
    in_the_way = directory_place.folder / "captures"
    in_the_way.write_text("no folder")
    with capturing(tmp_path, ALL, directory_place, capture_upload_seconds=0.2) as predictor:
        answers = ask(predictor, range(5))
        eventually(lambda: predictor.named("capture-upload-failed"), "a failure", predictor.describe)
        in_the_way.unlink()
        stop(predictor)
    assert sorted(ids(directory_place.store)) == sorted(answers)


@pytest.mark.parametrize(
    ("exclude", "features", "says"),
    [
        pytest.param(("incom",), False, "excludes incom, which the version has not", id="a name that is misspelt"),
        pytest.param(("user_id",), True, "", id="the entity key"),
    ],
)
def test_what_is_excluded_must_be_known(
    tmp_path: Path, directory_place: Place, exclude: tuple[str, ...], features: bool, says: str
) -> None:
    publish_people(directory_place.folder, tmp_path)
    with capturing(tmp_path, Capture(features=1.0, exclude=exclude), directory_place) as predictor:
        shown = predictor.get("/model").json()["telemetry"]
        assert (shown["predictions"], shown["features"]) == (True, features)
        assert says in shown["message"]
        ask(predictor, range(2))
        stop(predictor)
    found = rows(directory_place.store, Kind.PREDICTIONS)
    assert len(found) == 2
    assert all((row["entity"] is None) == ("user_id" in exclude) for row in found)
    assert len(ids(directory_place.store, Kind.FEATURES)) == (2 if features else 0)

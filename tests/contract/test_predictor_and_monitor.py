"""A real predictor and a real monitor: what one posts the other takes, whatever callers send."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from modelloop_core.capture import Capture
from modelloop_core.wire.evidence import CheckName, EvidenceQuery, RolloutEvidence, Verdict, evidence_path
from modelloop_core.wire.predictions import FORCED_HEADER
from support.monitor_process import MonitorProcess
from support.predictor_process import PredictorProcess, eventually
from support.published import people_reference, publish_people

PERSON = {"age": 31, "income": 2500.0, "member": True, "region": "north", "device": "phone"}
NASTY = ("\0", "\\u0000", "\\\\u0000", "\u00e9\u4e2d", "\U0001f600" * 100, "\x7f\u2028", '"quoted"')


def _taken(monitor: MonitorProcess, outcome: str) -> float:
    name = f'modelloop_monitor_posts_total{{outcome="{outcome}"}} '
    lines = httpx.get(f"{monitor.url}/metrics", timeout=10).text.splitlines()
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def _cards(folder: Path) -> list[str]:
    with sqlite3.connect(folder / "monitor.db") as connection:
        return [row[0] for row in connection.execute("SELECT document FROM cards")]


def test_no_text_of_a_caller_has_a_post_refused(tmp_path: Path) -> None:
    publish_people(tmp_path / "registry", tmp_path, reference=people_reference())
    with MonitorProcess(f"sqlite:///{tmp_path / 'monitor.db'}", token="sesame", fold_seconds=0.1) as monitor:
        monitor.until_ready()
        given = {
            "model_namespace": "shop",
            "model_name": "people",
            "monitor_url": monitor.url,
            "monitor_post_seconds": 0.2,
            "capture": Capture().model_dump_json(),
            "prestop_seconds": 0,
        }
        with PredictorProcess(tmp_path, given, {"MODELLOOP_MONITOR_TOKEN": "sesame"}) as predictor:
            predictor.until_ready()
            for number, text in enumerate(NASTY):
                body = {"features": {**PERSON, "device": text}, "user_id": text, "request_id": f"\\u0000-{number}"}
                answer = httpx.post(f"{predictor.url}/predict", content=json.dumps(body), timeout=20)
                assert answer.status_code == 200, answer.text
            posted = f'modelloop_predictor_telemetry_logged_total{{outcome="posted"}} {float(len(NASTY))}'
            eventually(lambda: posted in predictor.get("/metrics").text, "all predictions", predictor.describe)
            eventually(lambda: _taken(monitor, "applied") >= 2, "two posts", monitor.describe)
            eventually(lambda: _cards(tmp_path), "the version's card", monitor.describe)
            assert _cards(tmp_path)[0].startswith("model_id: people\n")
            predictor.terminate()
            assert predictor.exit_code() == 0
            assert not predictor.named("monitor-refused"), predictor.describe()
            assert not predictor.named("counts-lost")


def test_a_candidate_that_refuses_what_the_live_version_takes_is_found_out(tmp_path: Path) -> None:
    for number in ("1.0.0", "1.1.0"):
        publish_people(tmp_path / "registry", tmp_path, number=number, reference=people_reference())
    since = datetime.now(UTC)
    database = f"sqlite:///{tmp_path / 'monitor.db'}"
    with MonitorProcess(database, traffic_seconds=5, settle_seconds=1, fold_seconds=0.2) as monitor:
        monitor.until_ready()
        with _serving(tmp_path, monitor, "1.0.0") as live, _serving(tmp_path, monitor, "1.1.0") as candidate:
            live.until_ready()
            candidate.until_ready()
            old = {"features": {**PERSON, "age": "old"}}
            _ask(live, {"features": PERSON}, 200, 200)
            _ask(candidate, old, 60, 422)
            _ask(candidate, old, 40, 422, {FORCED_HEADER: "1.1.0"})
            eventually(lambda: _evidence(monitor, since).candidate.requests == 60, "all requests", monitor.describe)
            found = _evidence(monitor, since)

    failed = [check.name for check in found.checks if check.verdict is Verdict.FAILED]
    assert failed == [CheckName.REFUSAL_INCREASE], found.message
    assert (found.candidate.requests, found.candidate.refused, found.stable.requests) == (60, 60, 200)


def _serving(folder: Path, monitor: MonitorProcess, number: str) -> PredictorProcess:
    given = {
        "model_version": number,
        "model_namespace": "shop",
        "model_name": "people",
        "monitor_url": monitor.url,
        "monitor_post_seconds": 0.2,
        "pod_name": f"people-{number}",
        "prestop_seconds": 0,
    }
    return PredictorProcess(folder, given)


def _ask(
    predictor: PredictorProcess, body: Any, times: int, status: int, headers: Mapping[str, str] | None = None
) -> None:
    with httpx.Client(base_url=predictor.url, headers=headers, timeout=20) as client:
        assert {client.post("/predict", json=body).status_code for _ in range(times)} == {status}


def _evidence(monitor: MonitorProcess, since: datetime) -> RolloutEvidence:
    limits = {"max_error_rate": 0.01, "max_error_increase": 1.25, "max_prediction_psi": 0.2}
    query = EvidenceQuery.model_validate({"version": "1.1.0", "against": "1.0.0", "since": since, **limits})
    answer = httpx.get(monitor.url + evidence_path("shop", "people"), params=query.parameters(), timeout=10)
    return RolloutEvidence.model_validate_json(answer.content)

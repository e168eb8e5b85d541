"""A real predictor and a real monitor: what one posts the other takes, whatever callers send."""

from __future__ import annotations

import json
from pathlib import Path

import httpx

from modelloop_core.capture import Capture
from support.monitor_process import MonitorProcess
from support.predictor_process import PredictorProcess, eventually
from support.published import people_reference, publish_people

PERSON = {"age": 31, "income": 2500.0, "member": True, "region": "north", "device": "phone"}
NASTY = ("\0", "\\u0000", "\\\\u0000", "\u00e9\u4e2d", "\U0001f600" * 100, "\x7f\u2028", '"quoted"')


def _taken(monitor: MonitorProcess, outcome: str) -> float:
    name = f'modelloop_monitor_posts_total{{outcome="{outcome}"}} '
    lines = httpx.get(f"{monitor.url}/metrics", timeout=10).text.splitlines()
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def test_no_text_of_a_caller_has_a_post_refused(tmp_path: Path) -> None:
    publish_people(tmp_path / "registry", tmp_path, reference=people_reference())
    with MonitorProcess(f"sqlite:///{tmp_path / 'monitor.db'}", token="sesame") as monitor:
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
            predictor.terminate()
            assert predictor.exit_code() == 0
            assert not predictor.named("monitor-refused"), predictor.describe()
            assert not predictor.named("counts-lost")

"""What docs/quality.md shows is what the monitor answers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from modelloop_cli.main import CLUSTER, LOCAL, build
from support.monitor_process import MonitorProcess
from support.monitors import NOON, Running, running
from support.outcomes import log

_PAGE = (Path(__file__).parents[3] / "docs" / "quality.md").read_text()
_EXCHANGE = re.compile(r"```http\nPOST (\S+)\n(.*?)```\n\n```json\n(.*?)```", re.DOTALL)


def test_each_exchange_goes_as_it_is_shown(database: str) -> None:
    with running(database) as monitor:
        assert monitor.put_reference().status_code == 204
        log(monitor, 0, "order-17", "order-18", "order-19", at=NOON - 60)
        exchanges = _EXCHANGE.findall(_PAGE)
        assert len(exchanges) == 3
        for path, body, answer in exchanges:
            found = monitor.client.post(path, content=body, headers={"content-type": "application/json"})
            assert found.json() == json.loads(answer), path


def test_the_command_goes_as_it_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [(line, said)] = re.findall(r"```console\n\$ modelloop (feedback .*)\n(.*)\n```", _PAGE)
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path / 'm.db'}"
    with running(url) as monitor:
        assert monitor.put_reference().status_code == 204
        log(monitor, 0, "order-17", "order-18")
        _tell(monitor, "order-17")
    Path("labels.csv").write_text("request_id,label\norder-17,1\norder-18,0\norder-99,1\n")
    with MonitorProcess(url) as process:
        process.until_ready()
        words = line.replace("http://monitor:8080", process.url).split()
        done = CliRunner().invoke(build((*CLUSTER, *LOCAL)), words)
        assert httpx.get(f"{process.url}/v1/models/shop/churn/quality").status_code == 200

    assert (done.exit_code, done.stdout.strip()) == (0, said)


def _tell(monitor: Running, request_id: str) -> None:
    assert monitor.client.post("/v1/feedback", json={"request_id": request_id, "label": 1}).status_code == 200

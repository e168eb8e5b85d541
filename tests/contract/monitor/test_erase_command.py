"""`modelloop erase` against a registry and a monitor that run: both, or what could not be reached is said."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from modelloop_cli.main import CLUSTER, LOCAL, build
from support.monitor_process import MonitorProcess
from support.monitors import DIGEST, REFERENCE, example_post

Erase = Callable[..., Any]


@pytest.fixture
def erase(tmp_path: Path) -> Erase:
    """Erases ann from a registry that has two rows about her, and from this monitor."""
    folder = tmp_path / "models/captures/features/dt=2026-03-02/hour=12"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"entity": ["ann", "bob", "ann"]}), folder / "pod-000000.parquet")

    def run(monitor: str, *options: str) -> Any:
        words = ("erase", "-r", str(tmp_path / "models"), "--entity", "ann", "--monitor", monitor, "--name", "churn")
        return CliRunner().invoke(build((*CLUSTER, *LOCAL)), (*words, "-n", "shop", *options))

    return run


def test_both_are_erased_and_again_nothing_is_left(erase: Erase, tmp_path: Path) -> None:
    with MonitorProcess(f"sqlite:///{tmp_path / 'm.db'}", token="s3cret", fold_seconds=60) as monitor:
        monitor.until_ready()
        shown = {"authorization": "Bearer s3cret"}
        assert httpx.put(f"{monitor.url}/v1/references/{DIGEST}", content=REFERENCE, headers=shown).is_success
        logged = [{"request_id": "r1", "entity": "ann", "at": time.time(), "prediction": 0.75}]
        post = example_post(0, time.time(), predictions=logged)
        assert httpx.post(f"{monitor.url}/v1/profiles", json=post, headers=shown).is_success
        done = erase(monitor.url, "--token", "s3cret", "-o", "json")
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout) == {
            "registry": {"rows": 2, "files": 1, "looked_at": 1},
            "monitor": {"predictions": 1, "feedback": 0, "events": 0},
        }
        again = erase(monitor.url, "--token", "s3cret").stdout
        assert "registry: erased 0 row(s) from 0 of 1 file(s)" in again
        assert "monitor: erased 0 prediction(s), 0 label(s) and 0 event(s)" in again
        assert monitor.named("erased")[0]["predictions"] == 1
        assert "ann" not in monitor.describe()


def test_a_monitor_that_refuses_is_said_and_the_registry_is_erased_all_the_same(erase: Erase, tmp_path: Path) -> None:
    with MonitorProcess(f"sqlite:///{tmp_path / 'm.db'}", token="s3cret") as monitor:
        monitor.until_ready()
        done = erase(monitor.url, "--token", "wrong")
    assert done.exit_code == 1
    assert "registry: erased 2 row(s)" in done.stdout
    assert "monitor: NOT ERASED" in done.stdout
    assert "--token" in done.stdout

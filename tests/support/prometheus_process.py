"""Debian's Prometheus as a process of its own, scraping what a test names; installed where it is missing."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx
import yaml
from hack.cluster.packages import ensure

from support.predictor_process import eventually
from support.s3_server import free_port

PACKAGES = {"prometheus": "prometheus"}


class PrometheusProcess:
    """Scrapes each target every second; `targets` maps an address to the labels that its series get."""

    def __init__(self, folder: Path, targets: Mapping[str, Mapping[str, str]], rules: Path) -> None:
        ensure(PACKAGES)
        self._folder = folder
        self.url = f"http://127.0.0.1:{free_port()}"
        groups = [{"targets": [address], "labels": dict(labels)} for address, labels in targets.items()]
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": "all", "honor_labels": True, "static_configs": groups}],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))

    def __enter__(self) -> Self:
        options = [
            f"--config.file={self._folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'series'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        ]
        with (self._folder / "prometheus.log").open("ab") as log:
            self._process = subprocess.Popen(["prometheus", *options], stdout=log, stderr=subprocess.STDOUT)
        eventually(self._ready, "Prometheus to be ready", (self._folder / "prometheus.log").read_text)
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.wait(10)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that a query has now; fails with what Prometheus said of a query that it cannot read."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=10).json()
        assert answer["status"] == "success", f"{expression}: {answer.get('error')}"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def alerts(self) -> dict[str, str]:
        """State of each alerting rule, by name."""
        groups = httpx.get(f"{self.url}/api/v1/rules", timeout=10).json()["data"]["groups"]
        return {rule["name"]: rule["state"] for group in groups for rule in group["rules"]}

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False


def promtool(*words: str) -> str:
    """What promtool printed; fails when it is not content."""
    ensure(PACKAGES)
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

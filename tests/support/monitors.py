"""References and posts as predictors make them, and a monitor that runs in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from fastapi.testclient import TestClient

from modelloop_core.drift.counter import ProfileCounter
from modelloop_core.drift.profile import ColumnProfile
from modelloop_core.drift.reference import Reference, build_reference, digest_of
from modelloop_core.feature_schema import Signature
from modelloop_core.wire.profiles import PROFILES_PATH
from modelloop_monitor.app import create_app
from modelloop_monitor.monitor import Monitor, assemble
from modelloop_monitor.sending import Send, send
from modelloop_monitor.settings import MonitorSettings

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()
SIGNATURE = Signature.model_validate(
    {
        "inputs": [
            {"kind": "numeric", "name": "age", "dtype": "float32"},
            {"kind": "categorical", "name": "plan", "levels": ["free", "paid"]},
        ],
        "output": {"task": "binary"},
    }
)


def example_reference(seed: int = 1) -> Reference:
    """5,000 rows of an age, a plan and a probability."""
    random = np.random.default_rng(seed)
    rows = np.column_stack([random.normal(40, 10, 5000), random.integers(0, 2, 5000)])
    return build_reference(SIGNATURE, rows, random.uniform(size=5000))


REFERENCE = example_reference().to_json()
DIGEST = digest_of(REFERENCE)


def column(reference: Reference, part: str, name: str, counts: Mapping[int, int]) -> dict[str, Any]:
    """A column's delta with these counts by bin, each value 1."""
    size = getattr(reference, part)[name].bins.size
    filled = [counts.get(place, 0) for place in range(size)]
    return {"counts": filled, "sums": [float(count) for count in filled]}


def example_post(sequence: int, at: float = NOON, rows: int = 10, **changes: Any) -> dict[str, Any]:
    """A post of `rows` rows in the five seconds before `at`."""
    reference = Reference.model_validate_json(REFERENCE)
    return {
        "source": "churn-7d9f-abcde",
        "epoch": "1",
        "sequence": sequence,
        "namespace": "shop",
        "name": "churn",
        "version": "1.0.0",
        "reference": DIGEST,
        "since": datetime.fromtimestamp(at - 5, UTC).isoformat(),
        "until": datetime.fromtimestamp(at, UTC).isoformat(),
        "features": {
            "age": column(reference, "features", "age", {3: rows}),
            "plan": column(reference, "features", "plan", {0: rows}),
        },
        "outputs": {"prediction": column(reference, "outputs", "prediction", {7: rows})},
        "traffic": {"requests": rows, "rows": rows, "errors": {"DeadlineExceeded": 1}, "latency": [rows] + [0] * 23},
        **changes,
    }


def counted_post(sequence: int, at: float, rows: Any, answers: Any, **changes: Any) -> dict[str, Any]:
    """A post of these rows [n, 2] and their answers [n], counted as a predictor does."""
    counter = ProfileCounter(SIGNATURE, Reference.model_validate_json(REFERENCE))
    counter.count(rows, answers)
    profile = counter.take()
    parts = {
        part: {name: _delta(found) for name, found in getattr(profile, part).items()}
        for part in ("features", "outputs")
    }
    return example_post(sequence, at, len(rows), **parts, **changes)


def quiet(rows: int = 2000, seed: int = 7) -> tuple[Any, Any]:
    """Rows and answers as the reference had them."""
    random = np.random.default_rng(seed)
    return np.column_stack([random.normal(40, 10, rows), random.integers(0, 2, rows)]), random.uniform(size=rows)


def older(rows: int = 2000, seed: int = 7) -> tuple[Any, Any]:
    """The same with everybody twenty years older."""
    values, answers = quiet(rows, seed)
    return values + np.array([20.0, 0.0]), answers


def older_and_paying(rows: int = 2000, seed: int = 7) -> tuple[Any, Any]:
    """The same with everybody on the paid plan, too."""
    values, answers = older(rows, seed)
    return np.column_stack([values[:, 0], np.ones(rows)]), answers


def _delta(found: ColumnProfile) -> dict[str, Any]:
    return {"counts": found.counts.tolist(), "sums": found.sums.tolist(), "null": found.null}


@dataclass
class Running:
    """A monitor and a client; its clock is `time`."""

    monitor: Monitor
    client: TestClient
    time: list[float] = field(default_factory=list)

    def post(self, document: Mapping[str, Any], **headers: str) -> Any:
        """Post a profile."""
        return self.client.post(PROFILES_PATH, content=json.dumps(document), headers=headers)

    def put_reference(self, document: bytes = REFERENCE, digest: str = DIGEST) -> Any:
        """Bring a reference."""
        return self.client.put(f"/v1/references/{digest}", content=document)

    def fold(self) -> int:
        """Fold what was posted."""
        return self.monitor.folder.fold(self.time[0])

    def work(self, at: float) -> None:
        """Do all of the monitor's own work, once, at this time."""
        self.time[0] = at
        self.fold()
        self.monitor.joiner.join(at)
        self.monitor.comparer.compare(at)
        self.monitor.quality.judge(at)
        self.monitor.quality_gauges.refresh(at)
        self.monitor.evaluator.evaluate(at)
        self.monitor.notifier.notify(at)
        self.monitor.gauges.refresh(at)

    def get(self, what: str, **query: Any) -> Any:
        """A report of the model, as JSON."""
        answer = self.client.get(f"/v1/models/shop/churn/{what}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextmanager
def running(database: str, now: float = NOON, send: Send = send, **settings: Any) -> Iterator[Running]:
    """A monitor over this database whose clock stands at `now`; its work is done when the test says so."""
    time = [now]
    monitor = assemble(MonitorSettings(database=database, **settings), now=lambda: time[0], send=send)
    monitor.store.open()
    monitor.ingest.start()
    with TestClient(create_app(monitor), raise_server_exceptions=False) as client:
        yield Running(monitor, client, time)
    monitor.ingest.stop()
    monitor.store.close()

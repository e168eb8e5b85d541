"""A day of three models, told to a monitor as predictors tell it: one drifts, one is quiet, one has fallen silent."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt

from modelloop_core.drift.counter import ProfileCounter
from modelloop_core.drift.profile import ColumnProfile
from modelloop_core.drift.reference import Reference, build_reference, digest_of
from modelloop_core.feature_schema import Signature
from modelloop_core.wire.feedback import FEEDBACK_PATH
from modelloop_core.wire.profiles import LATENCY_BOUNDS, PROFILES_PATH, REFERENCES_PATH

TOKEN = "s3cret"
HOUR = 3600
HOURS = 24
PARTS = 3
ROWS = 2000
MODEL = ("people", "employment")
QUIET = ("shop", "churn")
SILENT = ("shop", "basket")

_LEVELS = {
    "MAR": ("married", "widowed", "divorced", "separated", "never married"),
    "SEX": ("male", "female"),
    "MIL": ("never", "training", "past", "now"),
}
_NUMBERS = ("AGEP", "SCHL", "PINCP", "WKHP", "DIS", "ESP", "CIT", "MIG")
SIGNATURE = Signature.model_validate(
    {
        "inputs": [
            *({"kind": "numeric", "name": name, "dtype": "float32"} for name in _NUMBERS),
            *({"kind": "categorical", "name": name, "levels": list(levels)} for name, levels in _LEVELS.items()),
        ],
        "output": {"task": "binary"},
    }
)
Rows = npt.NDArray[np.float64]


def people(random: np.random.Generator, rows: int, *, all_ages: bool) -> tuple[Rows, Rows]:
    """Features [rows, 11] and probabilities [rows]: of those over thirty, or of everybody."""
    age = np.floor(random.uniform(30, 90, rows))
    if all_ages:
        age = np.where(random.random(rows) < 0.35, np.floor(random.uniform(16, 30, rows)), age)
    numbers = [
        age,
        random.integers(1, 25, rows),
        np.round(random.lognormal(10, 1, rows) * np.where(age < 22, 0.3, 1), 2),
        np.where(random.random(rows) < 0.3, 0, np.round(random.normal(38, 9, rows))),
        random.integers(1, 3, rows),
        np.where(random.random(rows) < 0.2, np.nan, random.integers(0, 9, rows)),
        random.integers(1, 6, rows),
        random.integers(1, 4, rows),
    ]
    codes = [random.integers(0, len(levels), rows) for levels in _LEVELS.values()]
    if all_ages:
        codes[0] = np.where(age < 28, 4, codes[0])
    answers = 1 / (1 + np.exp(0.06 * np.abs(age - 42) - 1.2 + random.normal(0, 0.6, rows)))
    return np.column_stack([*numbers, *codes]).astype(np.float64), answers


@dataclass(frozen=True)
class Told:
    """What the story is about: its reference, and the whole hour before which it ends."""

    reference: Reference
    digest: str
    until: int


@dataclass(frozen=True)
class Dashboard:
    """Where a dashboard is, what its monitor was told, and when the rollout of it began that failed."""

    url: str
    told: Told
    failed_rollout: int


def tell(url: str, now: float, hours: int = HOURS, headers: dict[str, str] | None = None) -> Told:
    """Tell the monitor at `url` the whole story up to `now`; each hour in PARTS posts."""
    random = np.random.default_rng(7)
    reference = build_reference(SIGNATURE, *people(random, 20_000, all_ages=False))
    document = reference.to_json()
    told = Told(reference, digest_of(document), int(now // HOUR) * HOUR)
    with httpx.Client(base_url=url, timeout=30, headers=headers) as client:
        client.put(f"{REFERENCES_PATH}/{told.digest}", content=document).raise_for_status()
        for post in _posts(random, told, now, hours):
            client.post(PROFILES_PATH, json=post).raise_for_status()
            if post["predictions"]:
                client.post(FEEDBACK_PATH, json=_labels(random, post)).raise_for_status()
    return told


def _posts(random: np.random.Generator, told: Told, now: float, hours: int) -> Iterator[dict[str, Any]]:
    sequence = 0
    for hour in range(-hours, 1):
        for part in range(PARTS):
            at = told.until + hour * HOUR + (part + 0.5) * HOUR / PARTS
            if at > now:
                return
            drifted = hour >= -7
            busy = 1 + 0.5 * math.sin((at % (24 * HOUR)) / (24 * HOUR) * 2 * math.pi)
            rows = int(ROWS * busy / PARTS)
            yield _post(random, told, MODEL, "1.4.0", at, sequence, people(random, rows, all_ages=drifted))
            yield _post(random, told, MODEL, "1.5.0", at, sequence, people(random, rows // 19, all_ages=drifted))
            yield _post(random, told, QUIET, "2.0.1", at, sequence, people(random, rows // 2, all_ages=False))
            if hour < -3:
                yield _post(random, told, SILENT, "0.9.0", at, sequence, people(random, 40, all_ages=False))
            sequence += 1


def _post(
    random: np.random.Generator,
    told: Told,
    model: tuple[str, str],
    version: str,
    at: float,
    sequence: int,
    block: tuple[Rows, Rows],
) -> dict[str, Any]:
    counter = ProfileCounter(SIGNATURE, told.reference)
    counter.count(*block)
    profile = counter.take()
    rows = len(block[0])
    latencies = random.lognormal(-4.6 if version != "1.5.0" else -4.2, 0.5, rows)
    latency = np.bincount(np.searchsorted(LATENCY_BOUNDS, latencies), minlength=len(LATENCY_BOUNDS) + 1)
    post: dict[str, Any] = {
        "source": f"{model[1]}-{zlib.crc32(version.encode()):08x}",
        "epoch": "1",
        "sequence": sequence,
        "namespace": model[0],
        "name": model[1],
        "version": version,
        "reference": told.digest,
        "since": datetime.fromtimestamp(at - 5, UTC).isoformat(),
        "until": datetime.fromtimestamp(at, UTC).isoformat(),
        "features": {name: _delta(column) for name, column in profile.features.items()},
        "outputs": {name: _delta(column) for name, column in profile.outputs.items()},
        "traffic": {
            "requests": rows,
            "rows": rows,
            "errors": {"DeadlineExceeded": int(random.poisson(0.4)), "QueueFull": int(random.poisson(0.1))},
            "fallbacks": int(random.poisson(0.6)),
            "invalid": (refused := int(random.poisson(1.0))),
            "invalid_by": {"out-of-domain": refused},
            "latency": latency.tolist(),
            "latency_sum": float(latencies.sum()),
        },
    }
    card = f"model_id: {model[1]}\nversion: {version}\nintended_use: Never <b>against</b> anybody.\n"
    return {**post, "predictions": _logged(post, block[1], at), "card": card}


def _logged(post: dict[str, Any], answers: Rows, at: float) -> list[dict[str, Any]]:
    """Of one model some predictions, which labels can find."""
    if (post["namespace"], post["name"]) != MODEL:
        return []
    chosen = answers[: min(120, len(answers))]
    named = f"{post['version']}-{post['sequence']}"
    return [
        {"request_id": f"{named}-{place}", "at": at, "prediction": float(answer)} for place, answer in enumerate(chosen)
    ]


def _labels(random: np.random.Generator, post: dict[str, Any]) -> dict[str, Any]:
    """What turned out to be true of them: less often what was foreseen once everybody was asked."""
    worse = post["sequence"] >= PARTS * (HOURS - 7)
    found = []
    for logged in post["predictions"]:
        answer = 0.5 + 0.35 * (logged["prediction"] - 0.5) if worse else logged["prediction"]
        found.append({"request_id": logged["request_id"], "label": int(random.random() < answer)})
    return {"namespace": post["namespace"], "name": post["name"], "feedback": found}


def _delta(column: ColumnProfile) -> dict[str, Any]:
    return {"counts": column.counts.tolist(), "sums": column.sums.tolist(), "null": column.null}

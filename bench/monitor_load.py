"""One monitor on one core: the profiles of 1,000 models with three pods each every ten seconds, and a day's database.

`python -m bench.monitor_load [MODELS] [SECONDS]`. The day is told to the monitor as posts that come late: a few models
post once for each minute of the last 23 hours. Ends within ten minutes.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import psutil

from bench.markdown import GOALS, table, where
from bench.report import RESULTS, Goal, publish
from modelloop_core.drift.counter import ProfileCounter
from modelloop_core.drift.profile import ColumnProfile
from modelloop_core.drift.reference import Reference, build_reference, digest_of
from modelloop_core.feature_schema import Signature

MODELS, SECONDS = 1000, 90.0
# Of few rows most bins are empty and a post is small; from a thousand on they are filled.
FEW_ROWS, MANY_ROWS = 1_000, 100_000
NUMERIC, LEVELS, PODS, PERIOD_SECONDS = 20, 5, 3, 10.0
DAY_MODELS, DAY_MINUTES = 10, 23 * 60
PORT = 18_473
URL = f"http://127.0.0.1:{PORT}"
CORE = 0


_COLUMNS = {
    "rows a post": "predictions a post",
    "posts/s": "posts/s",
    "cores at the rate asked": "cores",
    "CPU ms/post": "CPU ms a post",
    "p50 ms": "p50 ms",
    "p99 ms": "p99 ms",
    "memory MiB": "memory MiB",
    "database MiB": "database MiB at the end",
}
_DAY_COLUMNS = {
    "models": "models",
    "posts": "posts",
    "KiB a model and day": "KiB a model and day",
    "MiB a day, 1,000 models": "MiB a day for 1,000 models",
}


def tables(result: Mapping[str, Any]) -> str:
    """The stored result as tables of docs/benchmarks.md."""
    head = f"{where(result)}; {result['rows'][0]['models']:,} models with {PODS} pods each."
    parts = (table(GOALS, result["goals"]), table(_COLUMNS, result["rows"]), table(_DAY_COLUMNS, result["day"]))
    return "\n\n".join([head, *parts])


@dataclass(frozen=True)
class Model:
    """A model with a reference of its own, and its pods' post without what changes."""

    name: str
    document: bytes
    post: dict[str, Any]


def main() -> int:
    """Run and publish; the exit code is 0 when it ran, goals met or not."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else MODELS
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else SECONDS
    print(f"making {count} models", flush=True)
    small, large = _models(count, FEW_ROWS), _models(count, MANY_ROWS)
    rows = []
    for rows_each, models in ((FEW_ROWS, small), (MANY_ROWS, large)):
        with _monitor() as (process, database):
            print(f"{count} models x {PODS} pods, {rows_each} rows in each post", flush=True)
            found = asyncio.run(_load(models, seconds, process))
            rows.append({"rows a post": rows_each, **found, "database MiB": _size(database) / 2**20})
    with _monitor() as (process, database):
        print(f"a day of {DAY_MODELS} models", flush=True)
        day = asyncio.run(_day(large[:DAY_MODELS], process, database))
    folder = RESULTS if (count, seconds) == (MODELS, SECONDS) else RESULTS.parents[1] / ".cache/bench"
    packages = ("fastapi", "uvicorn", "sqlalchemy", "pydantic")
    publish("monitor", rows, _goals(rows), packages, more={"day": [day]}, folder=folder)
    return 0


def _goals(rows: list[dict[str, Any]]) -> list[Goal]:
    few, many = rows
    answered, cores, ratio = few["posts/s"], few["cores at the rate asked"], many["CPU ms/post"] / few["CPU ms/post"]
    asked = few["models"] * PODS / PERIOD_SECONDS
    return [
        Goal(f"posts/s answered of {asked:,.0f} sent", f">= {0.99 * asked:g}", answered, answered >= 0.99 * asked),
        Goal("cores of one monitor at that rate", "< 1", cores, cores < 1),
        Goal(f"CPU of a post with {MANY_ROWS // FEW_ROWS} times the predictions", "<= 1.1 times", ratio, ratio <= 1.1),
    ]


async def _load(models: list[Model], seconds: float, process: psutil.Process) -> dict[str, Any]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:
        await _put(session, models)
        cpu, began = sum(process.cpu_times()[:2]), time.monotonic()
        sends, latencies, failures = [], [], []
        sources = [(model, pod) for pod in range(PODS) for model in models]
        total = int(len(sources) * seconds / PERIOD_SECONDS)
        for number in range(total):
            await asyncio.sleep(max(0.0, began + number * PERIOD_SECONDS / len(sources) - time.monotonic()))
            model, pod = sources[number % len(sources)]
            body = _body(model, f"{model.name}-{pod}", number // len(sources), time.time())
            sends.append(asyncio.create_task(_send(session, body, latencies, failures)))
        await asyncio.gather(*sends)
        wall = time.monotonic() - began
        used = sum(process.cpu_times()[:2]) - cpu
    ordered = sorted(latencies)
    return {
        "models": len(models),
        "posts/s": len(latencies) / wall,
        "answered": len(latencies) / total,
        "cores": used / wall,
        "cores at the rate asked": used / max(len(latencies), 1) * len(sources) / PERIOD_SECONDS,
        "CPU ms/post": 1000 * used / max(len(latencies), 1),
        "p50 ms": 1000 * ordered[len(ordered) // 2],
        "p99 ms": 1000 * ordered[int(len(ordered) * 0.99)],
        "memory MiB": process.memory_info().rss / 2**20,
    }


async def _day(models: list[Model], process: psutil.Process, database: Path) -> dict[str, Any]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=16)) as session:
        await _put(session, models)
        empty, now = _size(database), time.time()
        latencies: list[float] = []
        for minute in range(DAY_MINUTES):
            at = now - 60 * (DAY_MINUTES - minute)
            bodies = [_body(model, model.name, minute, at) for model in models]
            await asyncio.gather(*(_send(session, body, latencies, []) for body in bodies))
        while await _waiting(session):  # noqa: ASYNC110 the monitor can only be asked
            await asyncio.sleep(1)
    # So that a round judges all windows after the last fold.
    await asyncio.sleep(45)
    grown = (_size(database) - empty) / DAY_MINUTES * 1440 / len(models)
    return {
        "models": len(models),
        "posts": len(latencies),
        "KiB a model and day": grown / 1024,
        "MiB a day, 1,000 models": 1000 * grown / 2**20,
        "memory MiB": process.memory_info().rss / 2**20,
    }


async def _waiting(session: aiohttp.ClientSession) -> bool:
    async with session.get(f"{URL}/metrics") as answer:
        page = await answer.text()
    found = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
    applied = float(found['modelloop_monitor_posts_total{outcome="applied"}'])
    return applied > float(found["modelloop_monitor_posts_folded_total"])


async def _put(session: aiohttp.ClientSession, models: list[Model]) -> None:
    for model in models:
        url = f"{URL}/v1/references/{model.post['reference']}"
        async with session.put(url, data=model.document) as answer:
            answer.raise_for_status()


async def _send(session: aiohttp.ClientSession, body: bytes, latencies: list[float], failures: list[int]) -> None:
    began = time.monotonic()
    async with session.post(f"{URL}/v1/profiles", data=body, headers={"content-encoding": "gzip"}) as answer:
        if answer.status == 200 and (await answer.json())["applied"]:
            latencies.append(time.monotonic() - began)
        else:
            failures.append(answer.status)


def _body(model: Model, source: str, sequence: int, at: float) -> bytes:
    until = datetime.fromtimestamp(at, UTC).isoformat()
    post = {**model.post, "source": source, "sequence": sequence, "since": until, "until": until}
    return gzip.compress(json.dumps(post).encode(), 1)


def _models(count: int, rows: int) -> list[Model]:
    signature = Signature.model_validate(
        {
            "inputs": [
                *({"kind": "numeric", "name": f"n{n}", "dtype": "float32"} for n in range(NUMERIC)),
                *({"kind": "categorical", "name": f"c{n}", "levels": list("abcdefgh")} for n in range(LEVELS)),
            ],
            "output": {"task": "binary"},
        }
    )
    random = np.random.default_rng(1)
    values = [
        np.column_stack([random.normal(size=(n, NUMERIC)), random.integers(0, 8, (n, LEVELS))]) for n in (4000, rows)
    ]
    reference = build_reference(signature, values[0], random.uniform(size=4000))
    counter = ProfileCounter(signature, reference)
    counter.count(values[1], random.uniform(size=rows))
    profile = counter.take()
    parts = {
        part: {name: _delta(column) for name, column in getattr(profile, part).items()}
        for part in ("features", "outputs")
    }
    return [_model(f"m{number}", reference, rows, number, parts) for number in range(count)]


def _model(name: str, reference: Reference, rows: int, number: int, parts: dict[str, Any]) -> Model:
    # A digest of its own for each, as each model has a reference of its own.
    document = reference.model_copy(update={"rows": reference.rows + number}).to_json()
    traffic = {"requests": rows, "rows": rows, "latency": [rows // 2, rows - rows // 2, *[0] * 22]}
    own = {"namespace": "bench", "name": name, "version": "1.0.0", "epoch": "1", "reference": digest_of(document)}
    return Model(name, document, {**own, "traffic": traffic, **parts})


def _delta(column: ColumnProfile) -> dict[str, Any]:
    return {"counts": column.counts.tolist(), "sums": column.sums.tolist()}


@contextmanager
def _monitor() -> Iterator[tuple[psutil.Process, Path]]:
    with tempfile.TemporaryDirectory(prefix="modelloop-bench-") as folder:
        database = Path(folder, "monitor.db")
        given = {"DATABASE": f"sqlite:///{database}", "PORT": str(PORT), "HOST": "127.0.0.1"}
        environment = os.environ | {f"MODELLOOP_MONITOR_{name}": value for name, value in given.items()}
        command = ["taskset", "-c", str(CORE), sys.executable, "-m", "modelloop_monitor"]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        try:
            _wait_for(process)
            yield psutil.Process(process.pid), database
        finally:
            process.terminate()
            process.wait(60)


def _wait_for(process: subprocess.Popen[bytes]) -> None:
    import httpx

    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{URL}/readyz", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise RuntimeError("the monitor did not become ready")


def _size(database: Path) -> int:
    """Bytes that hold something: pages that posts took while they waited are free again, and stay in the file."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
    return int((pages - free) * size)


if __name__ == "__main__":
    sys.exit(main())

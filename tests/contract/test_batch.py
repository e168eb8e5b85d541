"""Batch scoring as a person runs it: on both stores, killed in mid-run, on a full disk, told to a monitor once."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from modelloop_core.wire.batch import MANIFEST_NAME, PLAN_NAME, RECORDS
from support import published
from support.batches import DATE, FOLDER, people, write
from support.monitor_process import MonitorProcess
from support.monitor_stub import MonitorStub
from support.predictor_process import eventually

ROWS = 30_000
_SECONDS = 120


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A registry of one version, and an input of two files with fifteen row groups each."""
    published.publish_people(tmp_path / "models", tmp_path, reference=published.people_reference())
    write(people(ROWS // 2), tmp_path / "in" / "a.parquet")
    write(people(ROWS // 2, seed=8, first=ROWS // 2), tmp_path / "in" / "b.parquet")
    return tmp_path


def command(folder: Path, *more: str, source: str = "in", into: str = "out") -> list[str]:
    """The command that scores what `folder` holds."""
    words = ["score", "--registry", "models", "--input", source, "--output", into, "--key", "id", "--date", DATE]
    return [sys.executable, "-m", "modelloop_cli.main", *words, *more]


def environment(folder: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's, with a cache of its own."""
    return {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1", **(more or {})}


def run(folder: Path, words: Sequence[str], more: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run to its end."""
    return subprocess.run(
        words, cwd=folder, env=environment(folder, more), capture_output=True, text=True, timeout=_SECONDS
    )


def scored(folder: Path, *more: str, **places: str) -> Any:
    """The document of a run that ended well."""
    done = run(folder, command(folder, *more, "--json", **places))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def keys(folder: Path, document: Any) -> list[int]:
    """The keys of all rows, in the order of the files."""
    names = [file["name"] for file in document["manifest"]["files"]]
    return [key for name in names for key in pq.read_table(folder / FOLDER / name).column("id").to_pylist()]


def test_a_table_in_a_store_is_scored_into_a_store(place: Any, folder: Path) -> None:
    write(people(2000), place.folder / "in" / "a.parquet", 500)
    words = command(folder, "--json", "--shards", "3", source=f"{place.uri}/in", into=f"{place.uri}/out")
    done = run(folder, words, place.environment)
    assert done.returncode == 0, done.stderr
    assert keys(place.folder / "out", json.loads(done.stdout)) == list(range(2000))
    one = command(folder, "--json", source=f"{place.uri}/in/a.parquet", into=f"{place.uri}/one")
    assert json.loads(run(folder, one, place.environment).stdout)["manifest"]["scored"] == 2000, "a single file"


def test_a_whole_folder_is_read_by_others_as_one_table(folder: Path) -> None:
    scored(folder, "--shards", "4")
    table = pq.read_table(folder / "out")
    assert table.num_rows == ROWS
    assert {"dt", "version", "id", "prediction"} <= set(table.column_names)


@pytest.mark.parametrize("shards_done", [1, 7, 20])
def test_a_run_that_is_killed_goes_on_where_it_stopped(folder: Path, shards_done: int) -> None:
    words = command(folder, "--shards", "30", "--threads", "1")
    with subprocess.Popen(words, cwd=folder, env=environment(folder), stderr=subprocess.PIPE, text=True) as process:
        records = folder / "out" / FOLDER / RECORDS
        eventually(
            lambda: process.poll() is not None or len(list(records.glob("*.json"))) >= shards_done,
            "so many shards",
            lambda: f"{list((folder / 'out').rglob('*'))}",
        )
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    plan = (folder / "out" / FOLDER / PLAN_NAME).read_bytes()
    before = {path: path.stat().st_mtime_ns for path in records.glob("*.json")}
    document = scored(folder, "--shards", "30")
    assert keys(folder / "out", document) == list(range(ROWS))
    assert (folder / "out" / FOLDER / PLAN_NAME).read_bytes() == plan
    assert {path: path.stat().st_mtime_ns for path in before} == before, "finished shards are passed over"
    leftovers = {path.name for path in (folder / "out").rglob("*.parquet")}
    assert leftovers == {file["name"] for file in document["manifest"]["files"]}


def test_a_disk_that_is_full_is_told_and_leaves_what_was_finished(folder: Path) -> None:
    done = subprocess.run(
        command(folder, "--shards", "2"),
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        # As the kernel refuses to write more to a file on a disk that is full: here beyond 100 KB.
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert done.returncode == 1, done.stdout
    assert "no room is left" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "out" / FOLDER / MANIFEST_NAME).exists()
    assert keys(folder / "out", scored(folder, "--shards", "2")) == list(range(ROWS))


def test_a_version_that_is_published_in_mid_run_does_not_take_over(folder: Path) -> None:
    (folder / "out" / FOLDER / RECORDS).mkdir(parents=True)
    scored(folder, "--shards", "3")
    (folder / "out" / FOLDER / MANIFEST_NAME).unlink()
    published.publish_people(folder / "models", folder, number="1.3.0")
    assert scored(folder)["manifest"]["version"] == "1.2.3", "the run of that date began with this one"
    assert scored(folder, "--date", "2026-11-29")["manifest"]["version"] == "1.3.0"


def test_each_shard_is_told_to_the_monitor_once(folder: Path) -> None:
    with MonitorStub() as monitor:
        monitor.manner = monitor.asking_for_the_reference
        about = ("--monitor", monitor.url, "--name", "people", "--namespace", "shop", "--shards", "4")
        assert scored(folder, *about)["monitor"] == {"shards": 4, "problem": ""}
        assert scored(folder, *about)["again"] is True
        assert {(post.namespace, post.name) for post in monitor.posts} == {("shop", "people:batch")}
        assert [post.traffic.rows for post in monitor.posts] == [7000, 8000, 7000, 8000]
        assert monitor.total("age") == monitor.total("prediction", output=True) == ROWS


def test_a_monitor_that_is_away_does_not_stop_a_run(folder: Path) -> None:
    with MonitorStub() as monitor:
        url = monitor.url
        monitor.manner = lambda exchange: exchange.say(403, {"detail": "a token is asked for"})
        about = ("--monitor", url, "--name", "people", "--shards", "2")
        told = scored(folder, *about)
        assert told["monitor"] == {"shards": 0, "problem": f"{url} answered 403: a token is asked for"}
        monitor.manner = monitor.well
        assert scored(folder, *about, "--token", "sesame")["monitor"]["shards"] == 2
        assert monitor.authorizations[-1] == "Bearer sesame"


def test_a_real_monitor_judges_the_batch_beside_the_live_traffic(folder: Path) -> None:
    with MonitorProcess(f"sqlite:///{folder / 'monitor.db'}", fold_seconds=0.1) as monitor:
        monitor.until_ready()
        for _ in range(2):
            scored(folder, "--monitor", monitor.url, "--name", "people", "--namespace", "shop", "--shards", "4")
        metrics = httpx.get(f"{monitor.url}/metrics", timeout=10).text
        assert 'modelloop_monitor_posts_total{outcome="applied"} 4.0' in metrics
        assert 'modelloop_monitor_posts_total{outcome="replayed"} 4.0' in metrics
        models = httpx.get(f"{monitor.url}/v1/models", timeout=10).json()
        assert "people:batch" in json.dumps(models)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--version", "9"), 1, "no version is in '9'"),
        (("--date", "yesterday"), 2, "is no date such as 2026-11-28"),
        (("--monitor", "http://nobody"), 2, "a monitor tells models by their name"),
        (("--key", "absent"), 1, "lacks 'absent'"),
    ],
    ids=["version", "date", "monitor", "key"],
)
def test_what_cannot_be_done_is_a_sentence(folder: Path, words: tuple[str, ...], code: int, said: str) -> None:
    done = run(folder, command(folder, *words))
    assert done.returncode == code
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (folder / "out").exists()

"""The registry on real stores: whole versions, damage on the disk itself, and writers in different processes."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from modelloop_core.history import EventKind, HistoryEvent, Identity
from modelloop_core.manifest import MANIFEST_NAME
from modelloop_core.registry import Registry
from modelloop_core.registry_errors import ChecksumMismatch, VersionExists, VersionNotFound, VersionTaken
from modelloop_core.storage.port import NotFound, Unavailable
from modelloop_core.storage.s3 import S3Store
from modelloop_core.versions import Version
from support.s3_server import free_port
from support.versions import NOON, a_version

ONE = Version(1, 0, 0)
TESTS = Path(__file__).parents[1]


@pytest.fixture
def registry(place: Any) -> Registry:
    return Registry(place.store)


def test_what_was_published_is_downloaded(registry: Registry, place: Any, tmp_path: Path) -> None:
    manifest, files = a_version(weights=os.urandom(300_000))
    registry.publish(manifest, files)
    assert registry.versions() == (ONE,)
    assert registry.manifest(ONE) == manifest
    folder = registry.download(ONE, tmp_path / "cache")
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != MANIFEST_NAME} == files
    assert sorted(path.name for path in (place.folder / "versions" / "1.0.0").iterdir()) == sorted(
        [*files, MANIFEST_NAME]
    )
    assert place.store.folders("") == ("history", "versions")


def test_the_same_number_again_is_told(registry: Registry) -> None:
    registry.publish(*a_version(weights=b"old"))
    with pytest.raises(VersionExists):
        registry.publish(*a_version(weights=b"new"))
    assert registry.read(ONE, "model.onnx") == b"old"


def test_a_half_written_version_does_not_exist_and_is_replaced(registry: Registry, place: Any, tmp_path: Path) -> None:
    for name in ("model.onnx", "stray.json"):
        place.store.create(f"versions/1.0.0/{name}", b"of a writer that died")
    assert registry.versions() == ()
    with pytest.raises(VersionNotFound):
        registry.download(ONE, tmp_path)
    registry.publish(*a_version(weights=b"whole"))
    assert (registry.download(ONE, tmp_path) / "model.onnx").read_bytes() == b"whole"
    assert "versions/1.0.0/stray.json" not in [info.key for info in place.store.list("versions/")]


def test_a_flipped_byte_is_found(registry: Registry, place: Any, tmp_path: Path) -> None:
    registry.publish(*a_version(weights=bytes(100_000)))
    path = place.folder / "versions" / "1.0.0" / "model.onnx"
    content = bytearray(path.read_bytes())
    content[50_000] ^= 1
    path.write_bytes(content)
    with pytest.raises(ChecksumMismatch, match=r"model\.onnx"):
        registry.download(ONE, tmp_path)


def test_a_truncated_file_is_found(registry: Registry, place: Any, tmp_path: Path) -> None:
    registry.publish(*a_version(weights=bytes(100_000)))
    path = place.folder / "versions" / "1.0.0" / "model.onnx"
    os.truncate(path, 99_999)
    with pytest.raises(ChecksumMismatch, match="found 99999 bytes"):
        registry.download(ONE, tmp_path)


def test_history_is_kept_in_the_store(registry: Registry, place: Any) -> None:
    registry.publish(*a_version())
    promoted = HistoryEvent(
        event=EventKind.PROMOTED, version="1.0.0", time=NOON, identity=Identity(cluster="c", namespace="n", name="m")
    )
    registry.record(promoted)
    registry.record(promoted)
    registry.record_missing([promoted])
    assert [event.event.value for event in Registry(place.store).history()] == ["promoted", "registered"]


@pytest.mark.parametrize("attempt", range(3))
def test_of_writers_in_different_processes_one_wins(place: Any, attempt: int) -> None:
    names = ["a", "b", "c"]
    processes = [_publisher(place, name) for name in names]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert sorted(answers) == ["told", "told", "won"]
    assert Registry(place.store).read(ONE, "model.onnx") == names[answers.index("won")].encode() * 100_000


def test_of_many_writers_at_once_one_wins_each_time(place: Any) -> None:
    for round_number in range(8):
        number = f"1.{round_number}.0"

        def write(name: str, number: str = number) -> bool:
            try:
                Registry(place.store).publish(*a_version(number, name.encode()))
            except VersionTaken:
                return False
            return True

        with ThreadPoolExecutor(4) as pool:
            won = list(pool.map(write, "abcd"))
        assert sum(won) == 1
        assert Registry(place.store).read(Version.parse(number), "model.onnx") == "abcd"[won.index(True)].encode()


def test_a_missing_bucket_is_named(s3_place: Any) -> None:
    store = S3Store("no-such-bucket", endpoint=s3_place.environment["AWS_ENDPOINT_URL_S3"], access_key="contract",
                    secret_key="contract-secret")  # fmt: skip
    for attempt in (Registry(store).versions, lambda: Registry(store).publish(*a_version())):
        with pytest.raises(NotFound, match="there is no bucket 'no-such-bucket'"):
            attempt()


def test_a_download_from_a_store_that_is_away_is_bounded(tmp_path: Path) -> None:
    store = S3Store("b", endpoint=f"http://127.0.0.1:{free_port()}", access_key="a", secret_key="b")
    with pytest.raises(Unavailable):
        Registry(store, wait=lambda seconds: None).download(ONE, tmp_path)


def _publisher(place: Any, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "support.publish_process", place.uri, name],
        cwd=TESTS,
        env={**os.environ, **place.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

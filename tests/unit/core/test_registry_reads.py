"""What a reader is told: versions that exist, damage by file, and downloads that resume."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelloop_core.download import ATTEMPTS
from modelloop_core.manifest import MANIFEST_NAME
from modelloop_core.registry import Registry
from modelloop_core.registry_errors import ChecksumMismatch, CorruptManifest, VersionNotFound
from modelloop_core.storage.port import AccessDenied, NotFound, Unavailable
from modelloop_core.versions import Version
from support.memory_store import MemoryStore
from support.versions import Clock, a_version

ONE = Version(1, 0, 0)
MODEL = "versions/1.0.0/model.onnx"
LONG = bytes(range(256)) * 40


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def registry(store: MemoryStore) -> Registry:
    clock = Clock()
    found = Registry(store, now=clock, wait=clock.wait)
    found.publish(*a_version(weights=LONG))
    return found


def test_versions_are_those_with_a_manifest_in_order_of_precedence(store: MemoryStore, registry: Registry) -> None:
    for number in ("10.0.0", "2.0.0", "2.0.0-rc.1"):
        registry.publish(*a_version(number))
    for stray in ("versions/3.0.0/model.onnx", "versions/notes/manifest.json", "versions/v4.0.0/manifest.json"):
        store.create(stray, b"{}")
    assert [str(version) for version in registry.versions()] == ["1.0.0", "2.0.0-rc.1", "2.0.0", "10.0.0"]
    assert Version(3, 0, 0) in registry.folders()


def test_an_absent_version_names_the_newest(registry: Registry) -> None:
    with pytest.raises(VersionNotFound, match=r"no version 1\.2\.3; the newest is 1\.0\.0"):
        registry.manifest(Version(1, 2, 3))


def test_a_half_written_version_does_not_exist_and_says_why(store: MemoryStore, registry: Registry) -> None:
    store.create("versions/2.0.0/model.onnx", b"half")
    with pytest.raises(VersionNotFound, match="still being written, or its writer died"):
        registry.manifest(Version(2, 0, 0))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda text: b"not json", "damaged"),
        (lambda text: text.replace(b'"1.0.0"', b'"1.0.1"'), "speaks of version 1.0.1"),
        (lambda text: text.replace(b'"model.pt2"', b'"x"').replace(b"model.onnx", b"model.pt2", 1), "lists no"),
        (lambda text: json.dumps({**json.loads(text), "schema_version": 2}).encode(), "schema_version"),
    ],
    ids=["no json", "other version", "no model file", "newer schema"],
)
def test_a_corrupt_manifest_is_named(store: MemoryStore, registry: Registry, damage, told: str) -> None:
    key = f"versions/1.0.0/{MANIFEST_NAME}"
    store.objects[key] = damage(store.objects[key])
    with pytest.raises(CorruptManifest, match=told):
        registry.manifest(ONE)


def test_a_changed_byte_is_found_by_name_with_both_checksums(
    store: MemoryStore, registry: Registry, tmp_path: Path
) -> None:
    expected = registry.manifest(ONE).files["model.onnx"].sha256
    store.objects[MODEL] = LONG[:-1] + b"\x00"
    with pytest.raises(ChecksumMismatch, match=r"'model\.onnx' of version 1\.0\.0") as caught:
        registry.download(ONE, tmp_path)
    assert caught.value.file == "model.onnx"
    assert expected in caught.value.expected
    assert caught.value.found != caught.value.expected
    with pytest.raises(ChecksumMismatch):
        registry.read(ONE, "model.onnx")


@pytest.mark.parametrize("content", [b"", LONG[:-1], LONG + b"x", LONG * 3], ids=["empty", "short", "long", "longer"])
def test_a_file_of_another_size_is_found(
    store: MemoryStore, registry: Registry, tmp_path: Path, content: bytes
) -> None:
    store.objects[MODEL] = content
    with pytest.raises(ChecksumMismatch):
        registry.download(ONE, tmp_path)
    assert not list(tmp_path.glob("*/model.onnx"))


def test_a_file_that_is_gone_is_not_found(store: MemoryStore, registry: Registry, tmp_path: Path) -> None:
    store.delete(MODEL)
    with pytest.raises(NotFound, match=r"model\.onnx"):
        registry.download(ONE, tmp_path)


def test_a_download_that_breaks_off_goes_on_where_it_stopped(
    store: MemoryStore, registry: Registry, tmp_path: Path
) -> None:
    starts = _break_streams(store, after_blocks=3, times=2)
    folder = registry.download(ONE, tmp_path)
    assert starts == [0, 3000, 6000]
    assert (folder / "model.onnx").read_bytes() == LONG


def test_a_later_process_goes_on_too(store: MemoryStore, registry: Registry, tmp_path: Path) -> None:
    starts = _break_streams(store, after_blocks=1, times=ATTEMPTS)
    with pytest.raises(Unavailable):
        registry.download(ONE, tmp_path)
    folder = registry.download(ONE, tmp_path)
    assert starts[-1] == 1000 * ATTEMPTS
    assert (folder / "model.onnx").read_bytes() == LONG


def test_a_damaged_part_from_before_is_not_held_against_the_object(
    store: MemoryStore, registry: Registry, tmp_path: Path
) -> None:
    _break_streams(store, after_blocks=1, times=ATTEMPTS)
    with pytest.raises(Unavailable):
        registry.download(ONE, tmp_path)
    (part,) = tmp_path.glob("*/.model.onnx.part")
    part.write_bytes(b"\x00" * 2000)
    assert (registry.download(ONE, tmp_path) / "model.onnx").read_bytes() == LONG


def test_a_store_that_stays_away_is_given_up_after_bounded_tries(
    store: MemoryStore, registry: Registry, tmp_path: Path
) -> None:
    starts = _break_streams(store, after_blocks=0, times=1000)
    with pytest.raises(Unavailable):
        registry.download(ONE, tmp_path)
    assert len(starts) == ATTEMPTS


def test_what_cannot_get_better_is_not_tried_again(store: MemoryStore, registry: Registry, tmp_path: Path) -> None:
    tries: list[str] = []

    def deny(verb: str, key: str) -> None:
        if key == MODEL:
            tries.append(key)
            raise AccessDenied("no")

    store.before = deny
    with pytest.raises(AccessDenied):
        registry.download(ONE, tmp_path)
    assert len(tries) == 1


def test_what_is_there_is_verified_and_not_fetched_again(
    store: MemoryStore, registry: Registry, tmp_path: Path
) -> None:
    folder = registry.download(ONE, tmp_path)
    (folder / "preprocessing.json").write_bytes(b"changed on this disk")
    read: list[str] = []
    store.before = lambda verb, key: read.append(key)
    assert registry.download(ONE, tmp_path) == folder
    assert read == [f"versions/1.0.0/{MANIFEST_NAME}", "versions/1.0.0/preprocessing.json"]
    assert (folder / "preprocessing.json").read_bytes() == b"{}" + LONG


def test_a_number_that_was_published_anew_is_another_folder(
    store: MemoryStore, registry: Registry, tmp_path: Path
) -> None:
    before = registry.download(ONE, tmp_path)
    store.objects.clear()
    registry.publish(*a_version(weights=b"other"))
    after = registry.download(ONE, tmp_path)
    assert before != after
    assert (after / "model.onnx").read_bytes() == b"other"


def test_two_processes_may_share_a_folder(store: MemoryStore, registry: Registry, tmp_path: Path) -> None:
    inner: list[Path] = []

    def meanwhile(verb: str, key: str) -> None:
        if key == MODEL and not inner:
            inner.append(Path())
            inner[0] = registry.download(ONE, tmp_path)

    store.before = meanwhile
    folder = registry.download(ONE, tmp_path)
    assert inner == [folder]
    assert (folder / "model.onnx").read_bytes() == LONG
    assert not list(folder.glob(".*part*"))


def _break_streams(store: MemoryStore, *, after_blocks: int, times: int) -> list[int]:
    """Let the first `times` streams of the model end in an error; returns the offsets that are asked for."""
    starts: list[int] = []
    whole = store.stream

    def stream(key: str, start: int = 0) -> Iterator[bytes]:
        blocks = whole(key, start)
        if key != MODEL:
            yield from blocks
            return
        starts.append(start)
        for number, block in enumerate(blocks):
            if number == after_blocks and len(starts) <= times:
                raise Unavailable("connection reset")
            yield block

    store.stream = stream  # type: ignore[method-assign]
    return starts

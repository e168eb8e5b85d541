"""A version is whole or does not exist, whoever dies when, and of two writers one wins, whatever the store's timing."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelloop_core.claims import LIFETIME
from modelloop_core.manifest import MANIFEST_NAME
from modelloop_core.registry import Registry
from modelloop_core.registry_errors import InvalidVersionFiles, VersionBusy, VersionExists, VersionTaken
from modelloop_core.versions import Version
from support.memory_store import DeathAfter, Killed, MemoryStore, Script
from support.versions import NOON, Clock, a_version

ONE = Version(1, 0, 0)
turns = st.lists(st.sampled_from(["first", "second"]), min_size=20, max_size=40)


def a_registry(store: MemoryStore, clock: Clock | None = None) -> Registry:
    clock = clock or Clock()
    return Registry(store, now=clock, wait=clock.wait)


def test_the_manifest_is_written_last() -> None:
    steps: list[tuple[str, str]] = []
    store = MemoryStore(lambda verb, key: steps.append((verb, key)))
    a_registry(store).publish(*a_version())
    created = [key for verb, key in steps if verb == "create" and key.startswith("versions/")]
    assert created[-1] == f"versions/1.0.0/{MANIFEST_NAME}"
    assert len(created) == 3


def test_a_published_version_never_changes() -> None:
    registry = a_registry(store := MemoryStore())
    registry.publish(*a_version(weights=b"old"))
    before = dict(store.objects)
    with pytest.raises(VersionExists, match=r"1\.0\.0 exists"):
        registry.publish(*a_version(weights=b"new"))
    assert store.objects == before


@pytest.mark.parametrize("steps", range(11))
def test_a_writer_may_die_at_any_step(steps: int, tmp_path: Path) -> None:
    store = MemoryStore(DeathAfter(steps))
    with pytest.raises(Killed):
        a_registry(store).publish(*a_version(weights=b"old"))
    store.before = lambda verb, key: None
    later = Clock(NOON + LIFETIME + timedelta(minutes=1))
    registry = a_registry(store, later)
    if registry.versions():
        weights = b"old"
    else:
        registry.publish(*a_version(weights=b"new"))
        weights = b"new"
    assert (registry.download(ONE, tmp_path) / "model.onnx").read_bytes() == weights
    assert registry.versions() == (ONE,)


def test_all_steps_of_a_publish_are_covered_by_the_test_above() -> None:
    steps: list[str] = []
    a_registry(MemoryStore(lambda verb, key: steps.append(verb))).publish(*a_version())
    assert len(steps) == 11


def test_a_live_writer_is_not_disturbed() -> None:
    store = MemoryStore(DeathAfter(6))
    with pytest.raises(Killed):
        a_registry(store).publish(*a_version(weights=b"old"))
    store.before = lambda verb, key: None
    left = {key: body for key, body in store.objects.items() if key.startswith("versions/")}
    with pytest.raises(VersionBusy, match=r"being written by somebody else since 2026-03-01T12:00:00Z") as caught:
        a_registry(store, Clock(NOON + LIFETIME)).publish(*a_version(weights=b"new"))
    assert caught.value.retriable
    assert left == {key: body for key, body in store.objects.items() if key.startswith("versions/")}


def test_a_writer_that_lost_its_claim_publishes_nothing() -> None:
    def steal(verb: str, key: str) -> None:
        if key.endswith("preprocessing.json"):
            for claim in [key for key in store.objects if key.startswith("claims/")]:
                del store.objects[claim]

    store = MemoryStore(steal)
    with pytest.raises(VersionBusy, match="took over"):
        a_registry(store).publish(*a_version())
    assert a_registry(store).versions() == ()


def test_a_claim_does_not_outlive_its_writer() -> None:
    store = MemoryStore()
    a_registry(store).publish(*a_version())
    with pytest.raises(VersionExists):
        a_registry(store).publish(*a_version())
    assert not [key for key in store.objects if key.startswith("claims/")]


@settings(max_examples=150, deadline=None)
@given(turns)
def test_of_two_writers_one_wins_even_if_the_store_checks_and_writes_in_two_steps(order: list[str]) -> None:
    script = Script(order)
    store = MemoryStore(script, has_gap=True)
    told: dict[str, VersionTaken | None] = {}

    def write() -> None:
        name = threading.current_thread().name
        try:
            Registry(store, now=Clock(), wait=lambda seconds: None).publish(*a_version(weights=name.encode()))
            told[name] = None
        except VersionTaken as refusal:
            told[name] = refusal
        finally:
            script.finished()

    writers = [threading.Thread(target=write, name=name, daemon=True) for name in ("first", "second")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=20)
    winners = [name for name, refusal in told.items() if refusal is None]
    assert len(told) == 2
    assert len(winners) == 1
    registry = a_registry(MemoryStore())
    registry.store.objects.update(store.objects)  # type: ignore[attr-defined]
    assert registry.read(ONE, "model.onnx") == winners[0].encode()
    assert registry.read(ONE, "preprocessing.json") == b"{}" + winners[0].encode()


def test_files_that_the_manifest_does_not_describe_are_refused() -> None:
    manifest, files = a_version()
    for wrong in ({**files, "model.onnx": b"other"}, {**files, "more": b""}, {"preprocessing.json": b"{}"}):
        with pytest.raises(InvalidVersionFiles):
            a_registry(store := MemoryStore()).publish(manifest, wrong)
        assert not store.objects

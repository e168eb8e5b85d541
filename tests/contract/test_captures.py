"""Captures leave every kind of store by their age, also where two prune at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from modelloop_core.captures import Captured, Kind
from modelloop_core.captures_pruning import prune_some
from modelloop_core.storage.port import ObjectStore

HOUR = datetime(2026, 11, 27, 19, tzinfo=UTC)


def _put(store: ObjectStore, age: timedelta, number: int = 0, kind: Kind = Kind.PREDICTIONS) -> str:
    key = Captured(kind, HOUR - age, f"pod-{number:06d}").key
    store.create(key, b"rows")
    return key


def test_what_is_old_goes_and_what_is_not_stays(store: ObjectStore) -> None:
    _put(store, timedelta(days=40))
    _put(store, timedelta(days=30), kind=Kind.FEATURES)
    kept = [_put(store, timedelta(days=29)), "captures/notes.txt", "versions/1.0.0/manifest.json"]
    for key in kept[1:]:
        store.create(key, b"kept")
    assert prune_some(store, HOUR - timedelta(days=29, hours=23), 1) == 1
    assert prune_some(store, HOUR - timedelta(days=29), 10) == 1
    assert prune_some(store, HOUR - timedelta(days=29), 10) == 0
    assert sorted(info.key for info in store.list("")) == sorted(kept)


def test_where_nothing_was_ever_captured_there_is_nothing_to_do(store: ObjectStore) -> None:
    store.create("versions/1.0.0/manifest.json", b"kept")
    assert prune_some(store, HOUR, 10) == 0


def test_two_that_prune_at_once_remove_all_and_neither_fails(store: ObjectStore) -> None:
    for number in range(40):
        _put(store, timedelta(days=40, hours=number % 3), number)
    with ThreadPoolExecutor(2) as both:
        removed = list(both.map(lambda _: prune_some(store, HOUR, 100), range(2)))
    assert max(removed) <= 40 <= sum(removed)
    assert list(store.list("")) == []

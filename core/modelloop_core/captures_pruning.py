"""Ends what a registry keeps of predictions when it is old; interrupted, it is run again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from modelloop_core.captures import ROOT, Captured, Kind, captured_at
from modelloop_core.storage.port import ObjectInfo, ObjectStore


@dataclass(frozen=True)
class Pruned:
    """What went, or would go: files and their bytes, and how many files stay."""

    files: int
    bytes: int
    kept: int


def prune(store: ObjectStore, before: datetime, *, dry_run: bool = False) -> Pruned:
    """Remove the files whose rows were all predicted before then; raises StoreError."""
    files = size = kept = 0
    for info, place in list(captured(store)):
        if place.until > before:
            kept += 1
            continue
        if not dry_run:
            store.delete(info.key)
        files, size = files + 1, size + info.size
    return Pruned(files, size, kept)


def prune_some(store: ObjectStore, before: datetime, most: int) -> int:
    """Remove up to `most` of the files whose rows were all predicted before then, whole days first; says how many.

    Nothing younger is listed, so that it costs what there is to remove. Two at once do no harm. Raises StoreError, with
    some of them gone.
    """
    old = (info.key for info, place in _until_day(store, before) if place.until <= before)
    keys = list(islice(old, most))
    for key in keys:
        store.delete(key)
    return len(keys)


def _until_day(store: ObjectStore, before: datetime) -> Iterator[tuple[ObjectInfo, Captured]]:
    last = f"dt={before.astimezone(UTC):%Y-%m-%d}"
    for kind in Kind:
        for day in store.folders(f"{ROOT}{kind}/"):
            if day <= last:
                yield from captured(store, f"{ROOT}{kind}/{day}/")


def captured(store: ObjectStore, prefix: str = ROOT) -> Iterator[tuple[ObjectInfo, Captured]]:
    """The files of logged predictions and features whose keys begin so."""
    for info in store.list(prefix):
        place = captured_at(info.key)
        if place is not None:
            yield info, place

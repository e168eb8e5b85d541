"""Puts a run together from addresses: what the command line and a Job's process both do."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from modelloop_batch.asked import Asked
from modelloop_batch.earlier import unfinished_version
from modelloop_batch.inputs import open_source
from modelloop_batch.model import load_version
from modelloop_batch.monitor import MonitorAddress, MonitorPosts, Receipt
from modelloop_batch.output import Output
from modelloop_batch.retrying import RetryingStore
from modelloop_batch.run import Result, Run, Told
from modelloop_core.registry import Registry, utc_now
from modelloop_core.storage.port import ObjectStore
from modelloop_core.versions import Version, VersionRange


@dataclass(frozen=True)
class Places:
    """Where everything lies; `cache` keeps downloaded versions on this disk."""

    registry: str
    input: str
    output: str
    cache: Path
    device: str = "cpu"
    monitor: MonitorAddress | None = None


Choose = Callable[[Registry, VersionRange | None], Version]


def score(
    asked: Asked,
    places: Places,
    open_store: Callable[[str], ObjectStore],
    *,
    wanted: VersionRange | None,
    choose: Choose,
    told: Told | None = None,
    only: Collection[int] | None = None,
) -> tuple[Result | None, Receipt | None]:
    """Score with the version of the run that began, else with the one that `choose` takes; then tell the monitor.

    Raises BatchError, StoreError, RegistryError, InferenceError.
    """
    registry = Registry(RetryingStore(open_store(places.registry)))
    output = Output(places.output, open_store(places.output))
    chosen = unfinished_version(output, asked.date, wanted) or choose(registry, wanted)
    version = load_version(registry, chosen, places.cache, device=places.device)
    run = Run(asked, open_source(places.input, open_store), output, version, now=utc_now, told=told)
    result = run.score(only)
    if result is None or places.monitor is None or not version.reference_bytes:
        return result, None
    posts = MonitorPosts(places.monitor, now=utc_now)
    return result, posts.tell(result.plan, result.records, version.reference_bytes)

"""What each registry holds, read in threads, shared by the MLModels that use it, and polled with jitter."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from modelloop_core.api.spec import Registry as RegistryRef
from modelloop_core.history import EventKind, HistoryEvent, Identity
from modelloop_core.registry import Registry
from modelloop_core.registry_errors import RegistryError, VersionNotFound
from modelloop_core.storage.port import AccessDenied, NotFound, StoreError
from modelloop_core.versions import Version
from modelloop_operator.cluster.cache import Key
from modelloop_operator.cluster.credentials import Credentials, SecretProblem
from modelloop_operator.cluster.port import ClusterError
from modelloop_operator.decide.observation import Catalog, CatalogUnknown, Release

_T = TypeVar("_T")
log = logging.getLogger(__name__)

Source = tuple[str, RegistryRef]
"""A registry as one namespace's MLModels name it."""


@dataclass
class _Entry:
    catalog: Catalog | CatalogUnknown | None = None
    users: set[Key] = field(default_factory=set)
    releases: dict[Version, Release] = field(default_factory=dict)
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    due: float = 0.0


class Catalogs:
    """The registries of all MLModels; `on_change` is called with the keys whose registry changed."""

    def __init__(
        self,
        credentials: Credentials,
        open_registry: Callable[..., Registry],
        *,
        on_change: Callable[[Key], None],
        clock: Callable[[], float],
        poll_seconds: float,
        parallel: int = 4,
    ) -> None:
        self._credentials = credentials
        self._open = open_registry
        self._on_change = on_change
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._slots = asyncio.Semaphore(parallel)
        self._entries: dict[Source, _Entry] = {}

    async def catalog(self, key: Key, source: Source, *, fresh: bool = False) -> Catalog | CatalogUnknown:
        """What the registry holds: as last polled, or read now when never read or when `fresh`."""
        entry = self._entries.setdefault(source, _Entry())
        if key not in entry.users:
            self.release(key)  # it may have used another registry before
            self._entries[source] = entry
            entry.users.add(key)
        if entry.catalog is None or fresh:
            await self._read(source, entry, fresh=fresh)
        assert entry.catalog is not None  # noqa: S101 - _read sets it
        return entry.catalog

    def release(self, key: Key) -> None:
        """Stop polling for an MLModel that is gone or moved to another registry."""
        for source, entry in list(self._entries.items()):
            entry.users.discard(key)
            if not entry.users:
                del self._entries[source]

    async def poll(self) -> None:
        """Read every registry once per interval, for ever; changes mark their users dirty."""
        while True:
            due = [(source, entry) for source, entry in self._entries.items() if entry.due <= self._clock()]
            await asyncio.gather(*(self._poll_one(source, entry) for source, entry in due))
            await asyncio.sleep(min(1.0, self._poll_seconds))

    async def last_live(self, source: Source, identity: Identity) -> Version | CatalogUnknown | None:
        """The version that the history last shows promoted for this MLModel: None says never, not "cannot be read"."""
        try:
            events = await self._in_thread(source, lambda registry: registry.history())
        except (StoreError, RegistryError, SecretProblem) as error:
            return CatalogUnknown(
                "HistoryUnreadable", f"status was lost and the registry's history is no help: {error}"
            )
        mine = [event for event in events if event.event is EventKind.PROMOTED and event.identity == identity]
        return Version.parse(mine[-1].version) if mine else None

    async def record(self, source: Source, event: HistoryEvent) -> None:
        """Append an event; the same event twice is one. Raises StoreError, RegistryError or SecretProblem."""
        await self._in_thread(source, lambda registry: registry.record(event))

    async def _poll_one(self, source: Source, entry: _Entry) -> None:
        before = entry.catalog
        try:
            await self._read(source, entry, fresh=False)
        except ClusterError as error:
            # Its Secret cannot be read now: what was known stays, the next round tries again.
            log.warning("registry not polled", extra={"registry": source[1].uri, "error": str(error)})
            entry.due = self._clock() + self._poll_seconds
        if entry.catalog != before:
            for key in tuple(entry.users):
                self._on_change(key)

    async def _read(self, source: Source, entry: _Entry, *, fresh: bool) -> None:
        async with entry.reading:
            if fresh:
                self._credentials.forget(source[0])
            entry.catalog = await self._try_read(source, entry)
            # Jitter: a thousand registries that were first read together must not be polled together for ever.
            entry.due = self._clock() + self._poll_seconds * random.uniform(0.8, 1.2)  # noqa: S311

    async def _try_read(self, source: Source, entry: _Entry) -> Catalog | CatalogUnknown:
        namespace, ref = source
        using = f" with Secret {namespace}/{ref.secretName}" if ref.secretName else " with the operator's own identity"
        where = f"{ref.uri}{f' at {ref.endpoint}' if ref.endpoint else ''}{using}"
        try:
            return await self._in_thread(source, lambda registry: _read_catalog(registry, entry.releases))
        except SecretProblem as error:
            return CatalogUnknown(error.reason, str(error))
        except AccessDenied as error:
            self._credentials.forget(namespace)
            return CatalogUnknown("AccessDenied", f"cannot read {where}: {error}")
        except NotFound as error:
            return CatalogUnknown("BucketNotFound", f"cannot read {where}: {error}")
        except (StoreError, RegistryError) as error:
            return CatalogUnknown("StoreUnavailable", f"cannot read {where}: {error}")

    async def _in_thread(self, source: Source, act: Callable[[Registry], _T]) -> _T:
        keys = await self._credentials.of(*source)
        async with self._slots:
            return await asyncio.to_thread(lambda: act(self._open(source[1], keys)))


def _read_catalog(registry: Registry, known: dict[Version, Release]) -> Catalog:
    """List the versions and read the manifests not read before: a manifest never changes."""
    broken: dict[Version, str] = {}
    present = set()
    for version in registry.folders():
        try:
            if version not in known:
                known[version] = Release(version, registry.manifest(version).signature.task)
            present.add(version)
        except VersionNotFound:
            continue  # still being written, or never finished: it does not exist
        except RegistryError as error:
            broken[version] = str(error)
    return Catalog({version: known[version] for version in sorted(present)}, broken)

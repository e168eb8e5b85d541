"""What each registry holds, read in threads, shared by the MLModels that use it, and polled with jitter."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TypeVar

from modelloop_core.api.spec import Registry as RegistryRef
from modelloop_core.history import EventKind, HistoryEvent, Identity
from modelloop_core.registry import Registry
from modelloop_core.registry_errors import RegistryError, VersionNotFound
from modelloop_core.storage.port import AccessDenied, NotFound, StoreError
from modelloop_core.versions import Version
from modelloop_operator.cluster.background import Background
from modelloop_operator.cluster.cache import Key
from modelloop_operator.cluster.credentials import Credentials, SecretProblem
from modelloop_operator.cluster.lanes import Lane, Lanes, endpoint_of
from modelloop_operator.decide.observation import Catalog, CatalogUnknown, Release

_T = TypeVar("_T")

Source = tuple[str, RegistryRef]
"""A registry as one namespace's MLModels name it."""

PENDING = "RegistryPending"
"""Reason of a CatalogUnknown that only needs time: its users are marked dirty when the read ends."""


@dataclass
class _User:
    told: Catalog | CatalogUnknown | None = None
    reading: asyncio.Task[None] | None = None
    request: str = ""


@dataclass
class _Entry:
    lane: Lane
    catalog: Catalog | CatalogUnknown | None = None
    users: dict[Key, _User] = field(default_factory=dict)
    releases: dict[Version, Release] = field(default_factory=dict)
    reading: asyncio.Task[None] | None = None
    due: float = 0.0


class Catalogs:
    """The registries of all MLModels; `on_change` is called with the keys that were told something else before."""

    def __init__(
        self,
        credentials: Credentials,
        open_registry: Callable[..., Registry],
        lanes: Lanes,
        *,
        on_change: Callable[[Key], None],
        clock: Callable[[], float],
        poll_seconds: float,
    ) -> None:
        self._credentials = credentials
        self._open = open_registry
        self._lanes = lanes
        self._on_change = on_change
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._background = Background()
        self._entries: dict[Source, _Entry] = {}
        self._histories: dict[tuple[Key, Source, Identity], asyncio.Task[Version | CatalogUnknown | None]] = {}

    async def catalog(self, key: Key, source: Source, *, request: str = "") -> Catalog | CatalogUnknown:
        """What the registry holds: as last polled; read now when never read, or once for each id of a `request`.

        A store that does not answer soon is not waited for: the answer is PENDING then, and comes with `on_change`.
        """
        entry, user = self._use(key, source)
        asked = request not in ("", user.request)
        if asked or (user.reading is None and entry.catalog is None):
            user.reading = self._begin(source, entry, anew=asked)
            user.request = request
        if user.reading is not None:
            if not await entry.lane.ends_soon(user.reading):
                user.told = _pending(source)
                return user.told
            _finish(user)
        assert entry.catalog is not None  # noqa: S101 - a read that ended well set it
        user.told = entry.catalog
        return entry.catalog

    async def last_live(self, key: Key, source: Source, identity: Identity) -> Version | CatalogUnknown | None:
        """The version that the history last shows promoted for this MLModel: None says never, not "cannot be read".

        PENDING as in `catalog`.
        """
        entry, _ = self._use(key, source)
        asked = (key, source, identity)
        if asked not in self._histories:
            self._histories[asked] = self._background.start(
                self._last_promoted(source, identity), f"history of {_place(source)}"
            )
        reading = self._histories[asked]
        if not await entry.lane.ends_soon(reading):
            reading.add_done_callback(lambda _: self._on_change(key))
            return _pending(source)
        self._histories.pop(asked, None)
        return reading.result()

    def release(self, key: Key) -> None:
        """Stop polling for an MLModel that is gone or moved to another registry."""
        for source, entry in list(self._entries.items()):
            entry.users.pop(key, None)
            if not entry.users:
                del self._entries[source]
        for asked in [asked for asked in self._histories if asked[0] == key]:
            del self._histories[asked]

    async def poll(self) -> None:
        """Read every registry once per interval, for ever, none waiting for another; changes mark users dirty."""
        while True:
            for source, entry in self._entries.items():
                if entry.due <= self._clock():
                    self._begin(source, entry)
            await asyncio.sleep(min(1.0, self._poll_seconds))

    async def record(self, source: Source, events: Collection[HistoryEvent]) -> None:
        """Append events that the history lacks. Raises StoreError, RegistryError, SecretProblem or ClusterError."""
        await self._in_thread(source, lambda registry: registry.record_missing(events))

    def stop(self) -> None:
        """Begin nothing more with what is being read."""
        self._background.stop()

    def _use(self, key: Key, source: Source) -> tuple[_Entry, _User]:
        entry = self._entries.get(source)
        if entry is None or key not in entry.users:
            self.release(key)  # it may have used another registry before
            entry = self._entries.setdefault(source, _Entry(self._lanes.to(endpoint_of(source[1]))))
            entry.users[key] = _User()
        return entry, entry.users[key]

    def _begin(self, source: Source, entry: _Entry, *, anew: bool = False) -> asyncio.Task[None]:
        """The read under way, if any; or, when `anew`, one that begins after it."""
        if anew or entry.reading is None or entry.reading.done():
            work = self._read(source, entry, after=entry.reading, anew=anew)
            entry.reading = self._background.start(work, f"read {_place(source)}")
        return entry.reading

    async def _read(self, source: Source, entry: _Entry, *, after: asyncio.Task[None] | None, anew: bool) -> None:
        if after is not None:
            await asyncio.wait({after})
        if anew:
            self._credentials.forget(source[0])
        try:
            entry.catalog = await self._try_read(source, entry)
        finally:
            # Jitter: a thousand registries that were first read together must not be polled together for ever.
            entry.due = self._clock() + self._poll_seconds * random.uniform(0.8, 1.2)  # noqa: S311
            for key, user in tuple(entry.users.items()):
                if user.told not in (None, entry.catalog):
                    user.told = None  # its next pass is told
                    self._on_change(key)

    async def _try_read(self, source: Source, entry: _Entry) -> Catalog | CatalogUnknown:
        where = _place(source)
        try:
            return await self._in_thread(source, lambda registry: _read_catalog(registry, entry.releases))
        except SecretProblem as error:
            return CatalogUnknown(error.reason, str(error))
        except AccessDenied as error:
            self._credentials.forget(source[0])
            return CatalogUnknown("AccessDenied", f"cannot read {where}: {error}")
        except NotFound as error:
            return CatalogUnknown("BucketNotFound", f"cannot read {where}: {error}")
        except (StoreError, RegistryError) as error:
            return CatalogUnknown("StoreUnavailable", f"cannot read {where}: {error}")

    async def _last_promoted(self, source: Source, identity: Identity) -> Version | CatalogUnknown | None:
        try:
            events = await self._in_thread(source, lambda registry: registry.history())
        except (StoreError, RegistryError, SecretProblem) as error:
            return CatalogUnknown(
                "HistoryUnreadable", f"status was lost and the registry's history is no help: {error}"
            )
        mine = [event for event in events if event.event is EventKind.PROMOTED and event.identity == identity]
        return Version.parse(mine[-1].version) if mine else None

    async def _in_thread(self, source: Source, act: Callable[[Registry], _T]) -> _T:
        keys = await self._credentials.of(*source)
        return await self._lanes.to(endpoint_of(source[1])).run(lambda: act(self._open(source[1], keys)))


def _finish(user: _User) -> None:
    assert user.reading is not None  # noqa: S101 - the caller saw it end
    reading, user.reading = user.reading, None
    if reading.exception() is not None:
        user.request = ""  # not obeyed: the next pass reads again
    reading.result()


def _pending(source: Source) -> CatalogUnknown:
    return CatalogUnknown(PENDING, f"{_place(source)} is still being read: its store has not answered yet")


def _place(source: Source) -> str:
    namespace, ref = source
    using = f"with Secret {namespace}/{ref.secretName}" if ref.secretName else "with the operator's own identity"
    return f"{ref.uri}{f' at {ref.endpoint}' if ref.endpoint else ''} {using}"


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

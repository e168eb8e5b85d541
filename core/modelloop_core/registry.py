"""The registry of one model: versions that exist whole or not at all, and the history of what happened to them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from modelloop_core.claims import Claim, claimed
from modelloop_core.download import Downloader, measure
from modelloop_core.history import HISTORY_PREFIX, EventKind, HistoryEvent, Identity
from modelloop_core.manifest import MANIFEST_NAME, FileEntry, Manifest
from modelloop_core.registry_errors import (
    ChecksumMismatch,
    CorruptHistory,
    CorruptManifest,
    InvalidVersionFiles,
    VersionBusy,
    VersionExists,
    VersionNotFound,
)
from modelloop_core.storage.port import AlreadyExists, NotFound, ObjectStore
from modelloop_core.versions import InvalidVersion, Version

VERSIONS_PREFIX = "versions/"

Files = Mapping[str, bytes | Path]
"""Names in a version's folder to their content, or to the file that holds it."""


def utc_now() -> datetime:
    """The wall clock, with its zone."""
    return datetime.now(UTC)


class Registry:
    """Versions and history below the root of `store`.

    Every method raises StoreError when the store fails and RegistryError for what the registry itself finds wrong.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        now: Callable[[], datetime] = utc_now,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self.store = store
        self.now = now
        self._wait = wait
        self._events: dict[str, HistoryEvent] = {}

    def folders(self) -> tuple[Version, ...]:
        """Versions that have a folder, half-written ones included, ascending; one cheap request to ask often."""
        return tuple(sorted(_parsed(self.store.folders(VERSIONS_PREFIX))))

    def versions(self) -> tuple[Version, ...]:
        """Versions that exist, that is, have a manifest; ascending."""
        tail = f"/{MANIFEST_NAME}"
        keys = (info.key for info in self.store.list(VERSIONS_PREFIX) if info.key.endswith(tail))
        return tuple(sorted(_parsed(key.removeprefix(VERSIONS_PREFIX).removesuffix(tail) for key in keys)))

    def manifest(self, version: Version) -> Manifest:
        """The manifest; raises VersionNotFound or CorruptManifest."""
        return _parse_manifest(self._manifest_bytes(version), version)

    def read(self, version: Version, name: str, manifest: Manifest | None = None) -> bytes:
        """One small file of a version, verified; raises ChecksumMismatch, and NotFound when it has no such file."""
        entry = (manifest or self.manifest(version)).files.get(name)
        if entry is None:
            raise NotFound(f"version {version} has no file {name!r}")
        content = self.store.read(_key(version, name))
        if (found := _entry(content)) != entry:
            raise ChecksumMismatch(f"version {version}", file=name, expected=str(entry), found=str(found))
        return content

    def download(self, version: Version, folder: Path) -> Path:
        """The folder, below `folder`, that holds all files of `version` and its manifest, every byte verified.

        Files that are already there are verified and kept, a download that broke off goes on where it stopped, and
        several processes may share `folder`. Raises ChecksumMismatch; StoreError after bounded retries.
        """
        content = self._manifest_bytes(version)
        manifest = _parse_manifest(content, version)
        target = folder / f"{version}-{hashlib.sha256(content).hexdigest()[:12]}"
        downloader = Downloader(self.store, f"version {version}", target, self._wait)
        for name, entry in manifest.files.items():
            downloader.fetch(_key(version, name), name, entry)
        downloader.put(MANIFEST_NAME, content)
        return target

    def publish(self, manifest: Manifest, files: Files, *, reason: str = "", identity: Identity | None = None) -> None:
        """Make the version exist: files first, the manifest last, then the `registered` event.

        Raises InvalidVersionFiles when `files` are not what the manifest describes, VersionExists, or VersionBusy when
        another writer was first. What a writer that died left under the number is replaced.
        """
        _check_files(manifest, files)
        version = Version.parse(manifest.version)
        self._refuse_published(version)
        with claimed(self.store, version, now=self.now, wait=self._wait) as claim:
            # Again: the version may have been published between the first look and the claim.
            self._refuse_published(version)
            self._write(claim, version, manifest, files)
        self.record(
            HistoryEvent(
                event=EventKind.REGISTERED,
                version=manifest.version,
                time=manifest.created,
                reason=reason,
                identity=identity or Identity(),
            )
        )

    def record(self, event: HistoryEvent) -> None:
        """Append an event to the history; the same event again changes nothing."""
        try:
            self.store.create(event.key, event.to_json())
        except AlreadyExists:
            return

    def record_missing(self, events: Iterable[HistoryEvent]) -> None:
        """Append those of `events` that the history lacks, in their order."""
        known = {info.key for info in self.store.list(HISTORY_PREFIX)}
        for event in events:
            if event.key not in known:
                self.record(event)

    def history(self) -> tuple[HistoryEvent, ...]:
        """All events, oldest first; each is read from the store once."""
        return tuple(self._event(info.key) for info in self.store.list(HISTORY_PREFIX))

    def _event(self, key: str) -> HistoryEvent:
        if key not in self._events:
            try:
                self._events[key] = HistoryEvent.model_validate_json(self.store.read(key))
            except ValidationError as error:
                raise CorruptHistory(f"{key!r} is no event of a version: {_first_fault(error)}; remove it") from error
        return self._events[key]

    def _manifest_bytes(self, version: Version) -> bytes:
        try:
            return self.store.read(_key(version, MANIFEST_NAME))
        except NotFound as error:
            raise VersionNotFound(self._not_found(version)) from error

    def _not_found(self, version: Version) -> str:
        if version in self.folders():
            return f"version {version} has no manifest: it is still being written, or its writer died"
        there = self.versions()
        newest = f"the newest is {there[-1]}" if there else "the registry holds no version"
        return f"there is no version {version}; {newest}"

    def _refuse_published(self, version: Version) -> None:
        try:
            self.store.read(_key(version, MANIFEST_NAME))
        except NotFound:
            return
        raise VersionExists(f"version {version} exists, and a published version never changes; take another number")

    def _write(self, claim: Claim, version: Version, manifest: Manifest, files: Files) -> None:
        leftovers = [info.key for info in self.store.list(_key(version, ""))]
        for key in leftovers:
            self.store.delete(key)
        try:
            for name, body in files.items():
                self.store.create(_key(version, name), body)
            if not claim.is_held():
                raise VersionBusy(f"writing version {version} took so long that others took over; publish it again")
            self.store.create(_key(version, MANIFEST_NAME), manifest.model_dump_json(indent=2).encode())
        except AlreadyExists as error:
            raise VersionBusy(f"another writer of version {version} came between; take another number") from error


def describe(files: Files) -> dict[str, FileEntry]:
    """SHA-256 and size of each file, as a manifest lists them."""
    return {name: _entry(body) for name, body in files.items()}


def _entry(body: bytes | Path) -> FileEntry:
    if isinstance(body, Path):
        return measure(body)
    return FileEntry(sha256=hashlib.sha256(body).hexdigest(), size=len(body))


def _check_files(manifest: Manifest, files: Files) -> None:
    if describe(files) != manifest.files:
        raise InvalidVersionFiles(f"the files {sorted(files)} are not those that the manifest describes")
    if manifest.model_file not in files or MANIFEST_NAME in files:
        raise InvalidVersionFiles(f"the files must hold {manifest.model_file!r}, and no {MANIFEST_NAME!r} of their own")


def _parse_manifest(content: bytes, version: Version) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        raise CorruptManifest(f"the manifest of version {version} is damaged: {_first_fault(error)}") from error
    if manifest.version != str(version):
        raise CorruptManifest(f"the manifest of version {version} speaks of version {manifest.version}")
    if manifest.model_file not in manifest.files:
        raise CorruptManifest(f"the manifest of version {version} lists no {manifest.model_file!r}")
    return manifest


def _first_fault(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]


def _key(version: Version, name: str) -> str:
    return f"{VERSIONS_PREFIX}{version}/{name}"


def _parsed(names: Iterator[str] | tuple[str, ...]) -> Iterator[Version]:
    for name in names:
        try:
            version = Version.parse(name)
        except InvalidVersion:
            continue
        # Only the written form counts: a folder "v1.0.0" beside "1.0.0" must not be a second 1.0.0.
        if str(version) == name:
            yield version

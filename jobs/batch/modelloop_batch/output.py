"""A run's folder in the output: everything is written once, and whoever comes second takes what is there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from modelloop_batch.errors import OutputTaken
from modelloop_batch.retrying import RetryingStore
from modelloop_core.registry import describe
from modelloop_core.storage.port import AlreadyExists, NotFound, ObjectStore
from modelloop_core.wire.batch import (
    MANIFEST_NAME,
    PLAN_NAME,
    RECORDS,
    OutputFile,
    Plan,
    RunManifest,
    ShardRecord,
    folder_of,
    record_name,
)

_Model = TypeVar("_Model", bound=BaseModel)


class Output:
    """The output at `uri`; every verb is tried again where that can help."""

    def __init__(self, uri: str, store: ObjectStore) -> None:
        self.uri = uri
        self.store = RetryingStore(store)

    def runs(self) -> Iterator[tuple[str, str]]:
        """Date and version of every folder that a run made, the newest date first."""
        try:
            dates = sorted(self.store.folders(""), reverse=True)
        except NotFound:
            return
        for date in dates:
            if date.startswith("dt="):
                for version in self.store.folders(f"{date}/"):
                    if version.startswith("version="):
                        yield date.removeprefix("dt="), version.removeprefix("version=")

    def folder(self, date: str, version: str) -> RunFolder:
        """The folder of one run."""
        return RunFolder(self, folder_of(date, version))


class RunFolder:
    """Where one run writes."""

    def __init__(self, output: Output, prefix: str) -> None:
        self._store = output.store
        self.prefix = prefix
        self.uri = f"{output.uri.rstrip('/')}/{prefix}"

    def plan(self) -> Plan | None:
        """The plan, if there is one."""
        return self._read(PLAN_NAME, Plan)

    def manifest(self) -> RunManifest | None:
        """The manifest, if the run is whole."""
        return self._read(MANIFEST_NAME, RunManifest)

    def settle_plan(self, plan: Plan) -> Plan:
        """This plan, or the one that somebody else wrote first."""
        return self._settled(PLAN_NAME, plan)

    def settle_manifest(self, manifest: RunManifest) -> RunManifest:
        """This manifest, or the one that somebody else wrote first."""
        return self._settled(MANIFEST_NAME, manifest)

    def settle_record(self, record: ShardRecord) -> ShardRecord:
        """This record, or that of whoever finished the shard first."""
        return self._settled(RECORDS + record_name(record.shard), record)

    def records(self) -> dict[int, ShardRecord]:
        """The finished shards: those with a record, and with every file that it speaks of."""
        sizes = {info.key.removeprefix(self.prefix): info.size for info in self._store.list(self.prefix)}
        found = {}
        for name in sizes:
            if name.startswith(RECORDS) and (record := self._read(name, ShardRecord)) is not None:
                files = [file for file in (record.file, record.rejects, record.seen) if file is not None]
                if all(sizes.get(file.name) == file.size for file in files):
                    found[record.shard] = record
                else:
                    # Somebody took a file away: the shard is done again.
                    self._store.delete(self.prefix + name)
        return found

    def write(self, name: str, file: Path, rows: int) -> OutputFile:
        """Store a file; what is left of a run that was killed before its record, under the same name, gives way."""
        entry = describe({name: file})[name]
        for _ in range(3):
            try:
                self._store.create(self.prefix + name, file)
                break
            except AlreadyExists:
                if self._digest(name) == entry.sha256:
                    break
                self._store.delete(self.prefix + name)
        return OutputFile(name=name, rows=rows, size=entry.size, sha256=entry.sha256)

    def bytes_of(self, name: str) -> bytes:
        """A small file."""
        return self._store.read(self.prefix + name)

    def _digest(self, name: str) -> str | None:
        digest = hashlib.sha256()
        try:
            for block in self._store.stream(self.prefix + name):
                digest.update(block)
        except NotFound:
            return None
        return digest.hexdigest()

    def _settled(self, name: str, document: _Model) -> _Model:
        try:
            self._store.create(self.prefix + name, document.model_dump_json(indent=1, exclude_defaults=True).encode())
        except AlreadyExists:
            found = self._read(name, type(document))
            return document if found is None else found
        return document

    def _read(self, name: str, model: type[_Model]) -> _Model | None:
        try:
            content = self._store.read(self.prefix + name)
        except NotFound:
            return None
        try:
            return model.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise OutputTaken(
                f"{self.uri}{name} is no file of a run ({where}: {first['msg']}); take it away, or name another output"
            ) from error

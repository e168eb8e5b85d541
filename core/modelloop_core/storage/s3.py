"""S3 and whatever speaks its protocol with conditional writes, as an object store, by boto3's core."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from botocore.config import Config
from botocore.session import Session

from modelloop_core.storage.keys import check_key, check_prefix
from modelloop_core.storage.port import AlreadyExists, ObjectInfo, Unavailable
from modelloop_core.storage.s3_description import shared_description
from modelloop_core.storage.s3_errors import ConditionalConflict, RangePastEnd, translated
from modelloop_core.storage.s3_multipart import PART_BYTES, create_in_parts

CONNECT_SECONDS = 5.0
READ_SECONDS = 15.0
"""Longest silence of a store; with the attempts below no verb waits longer than about 35 s for a store that stalls."""
ATTEMPTS = 2

_BLOCK = 1 << 20
_CONFLICT_ATTEMPTS = 4
_DESCRIPTION = shared_description()


class S3Store:
    """An ObjectStore in `bucket` below `prefix`; equal endpoints and credentials share one client.

    Without `access_key` boto3's own chain finds the credentials (environment, profile, workload identity).
    With an `endpoint` the bucket is part of the path, as stores outside AWS expect.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        endpoint: str | None = None,
        region: str | None = None,
        ca_file: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        session_token: str | None = None,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._bucket = bucket
        self._prefix = f"{check_key(prefix.strip('/'))}/" if prefix.strip("/") else ""
        self._endpoint = endpoint or "AWS"
        self._connection = (endpoint, region, ca_file, access_key, secret_key, session_token, read_seconds)

    def __repr__(self) -> str:
        return f"S3Store('s3://{self._bucket}/{self._prefix}' at {self._endpoint})"

    def read(self, key: str) -> bytes:
        """The whole object; raises NotFound."""
        return b"".join(self.stream(key))

    def stream(self, key: str, start: int = 0) -> Iterator[bytes]:
        """The object's bytes from offset `start`, in blocks; raises NotFound."""
        wanted: dict[str, str] = {"Range": f"bytes={start}-"} if start else {}
        try:
            with self._attempt("read", key) as client:
                body = client.get_object(**self._at(key), **wanted)["Body"]
                with body:
                    while block := body.read(_BLOCK):
                        yield block
        except RangePastEnd:
            return

    def create(self, key: str, body: bytes | Path) -> None:
        """Write a new object atomically; raises AlreadyExists and writes nothing if there is one."""
        for _ in range(_CONFLICT_ATTEMPTS):
            try:
                return self._create(key, body)
            except ConditionalConflict as error:
                conflict = error
        raise Unavailable(f"cannot create {self._name(key)}: others keep writing it") from conflict

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """All objects whose key begins with `prefix`, in key order."""
        for page in self._pages(prefix):
            for entry in page.get("Contents", ()):
                # Consoles mark a folder by an empty object whose name ends in a slash; that is no key.
                if not entry["Key"].endswith("/"):
                    yield ObjectInfo(entry["Key"].removeprefix(self._prefix), entry["Size"], entry["ETag"].strip('"'))

    def folders(self, prefix: str) -> tuple[str, ...]:
        """Names of the immediate folders below `prefix` (which ends in `/`), without the slash."""
        pages = self._pages(prefix, Delimiter="/")
        found = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", ())]
        return tuple(sorted(folder.removesuffix("/").rpartition("/")[2] for folder in found))

    def delete(self, key: str) -> None:
        """Remove the object; removing what is absent is no error."""
        # S3 is content with an absent object; another store says so when two delete one at the same moment.
        with self._attempt("delete", key) as client, suppress(client.exceptions.NoSuchKey):
            client.delete_object(**self._at(key))

    def _create(self, key: str, body: bytes | Path) -> None:
        with self._attempt("create", key) as client:
            if isinstance(body, Path) and body.stat().st_size > PART_BYTES:
                return create_in_parts(client, self._at(key), body)
            content = body if isinstance(body, bytes) else body.read_bytes()
        try:
            with self._attempt("create", key) as client:
                client.put_object(**self._at(key), Body=content, IfNoneMatch="*")
        except AlreadyExists as refusal:
            # The first attempt may have been stored although its answer was lost; then the object is ours.
            if not _was_retried(refusal) or self.read(key) != content:
                raise
        return None

    def _pages(self, prefix: str, **options: str) -> Iterator[Mapping[str, Any]]:
        with self._attempt("list", check_prefix(prefix)) as client:
            paginator = client.get_paginator("list_objects_v2")
            yield from paginator.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix, **options)

    def _attempt(self, verb: str, key: str) -> translated:
        return translated(f"cannot {verb} {self._name(key)}", self._bucket, lambda: _client(*self._connection))

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + check_key(key)}

    def _name(self, key: str) -> str:
        return f"'s3://{self._bucket}/{self._prefix}{key}' at {self._endpoint}"


def _was_retried(refusal: AlreadyExists) -> bool:
    answer = getattr(refusal.__cause__, "response", {})
    return bool(answer.get("ResponseMetadata", {}).get("RetryAttempts"))


@lru_cache(maxsize=64)
def _client(
    endpoint: str | None,
    region: str | None,
    ca_file: str | None,
    access_key: str | None,
    secret_key: str | None,
    session_token: str | None,
    read_seconds: float,
) -> Any:
    session = Session()
    session.register_component("data_loader", _DESCRIPTION)
    # Stores outside AWS know path addressing and no checksum trailers; the manifest's SHA-256 covers the content.
    elsewhere = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        s3={"addressing_style": "path" if endpoint else "auto"},
        max_pool_connections=16,
        **(elsewhere if endpoint else {}),
    )
    return session.create_client(
        "s3",
        endpoint_url=endpoint,
        region_name=region or session.get_config_variable("region") or "us-east-1",
        verify=ca_file or None,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        aws_session_token=session_token,
        config=config,
    )

"""From an address to a store: `s3://bucket/prefix`, `file:///folder` or a plain path."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from modelloop_core.storage.directory import DirectoryStore
from modelloop_core.storage.port import InvalidKey, ObjectStore


def open_store(
    uri: str,
    *,
    endpoint: str | None = None,
    region: str | None = None,
    ca_file: str | None = None,
    access_key: str | None = None,
    secret_key: str | None = None,
    session_token: str | None = None,
) -> ObjectStore:
    """The store at `uri`, without a request to it; raises InvalidKey when the address is none.

    Endpoint, region, CA file and credentials are for `s3://` and ignored for a folder. What is None is taken from
    boto3's own chain, the endpoint from AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return DirectoryStore(_folder(uri, uri))
    if scheme == "file":
        return DirectoryStore(_folder(unquote(urlsplit(uri).path), uri))
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise InvalidKey(f"{uri!r} is no address of a store: give s3://bucket/prefix, file:///folder or a path")
    # Here and not above: a folder needs no boto3, which costs 0.25 s and 25 MB.
    from modelloop_core.storage.s3 import S3Store

    return S3Store(
        bucket,
        prefix,
        # Named here although boto3 would find it: a store outside AWS needs path addressing.
        endpoint=endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"),
        region=region,
        ca_file=ca_file,
        access_key=access_key,
        secret_key=secret_key,
        session_token=session_token,
    )


def _folder(path: str, uri: str) -> Path:
    if not path.strip():
        raise InvalidKey(f"{uri!r} names no folder")
    return Path(path)

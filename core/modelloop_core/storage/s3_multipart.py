"""Files too large for one request: parts that become an object only when the last step finds the key free."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PART_BYTES = 64 << 20
"""Size of a part, and of the largest file that is written in one request; S3 takes 10,000 parts, so 640 GiB."""


def create_in_parts(client: Any, where: Mapping[str, str], path: Path) -> None:
    """Create the object `where` (Bucket and Key) from `path`; what was sent is thrown away when it fails."""
    upload = {**where, "UploadId": client.create_multipart_upload(**where)["UploadId"]}
    try:
        parts = [
            {"PartNumber": number, "ETag": client.upload_part(**upload, PartNumber=number, Body=block)["ETag"]}
            for number, block in enumerate(_blocks(path), start=1)
        ]
        client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*")
    except BaseException:
        client.abort_multipart_upload(**upload)
        raise


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(PART_BYTES):
            yield block

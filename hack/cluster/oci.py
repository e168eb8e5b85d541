"""OCI image archives of one binary each, written without any image tool: a few JSON files and a tar."""

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .shell import say


@dataclass(frozen=True)
class ScratchImage:
    """A binary and nothing else, run as a numbered user."""

    name: str
    binary: Path
    path: str
    user: str = "65532:65532"
    entrypoint: tuple[str, ...] = ()
    folders: tuple[str, ...] = field(default=("tmp",))

    @property
    def reference(self) -> str:
        """The fully qualified name by which pods ask for it."""
        return f"localhost/modelloop/{self.name}:dev"


def write_archive(image: ScratchImage, folder: Path) -> Path:
    """Write the archive once; its name holds the digest of what is inside, so an equal one is found again."""
    key = hashlib.sha256(repr((image.path, image.user, image.entrypoint, image.folders)).encode())
    with image.binary.open("rb") as stream:
        key.update(hashlib.file_digest(stream, "sha256").digest())
    target = folder / f"{image.name}-{key.hexdigest()[:16]}.tar"
    if target.exists():
        return target
    say(f"  writing image {image.reference}")
    layer = _layer(image)
    folder.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(".partial")
    _write(temporary, image, layer)
    temporary.replace(target)
    return target


def _layer(image: ScratchImage) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in image.folders:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
            archive.addfile(entry)
        entry = tarfile.TarInfo(image.path.lstrip("/"))
        entry.size, entry.mode = image.binary.stat().st_size, 0o755
        with image.binary.open("rb") as content:
            archive.addfile(entry, content)
    return buffer.getvalue()


def _write(target: Path, image: ScratchImage, layer: bytes) -> None:
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "User": image.user,
            "Entrypoint": list(image.entrypoint or (image.path,)),
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"],
        },
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
    }
    compressed = gzip.compress(layer, compresslevel=1, mtime=0)
    blobs = [compressed, json.dumps(config).encode()]
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _descriptor(blobs[1], "application/vnd.oci.image.config.v1+json"),
        "layers": [_descriptor(compressed, "application/vnd.oci.image.layer.v1.tar+gzip")],
    }
    blobs.append(json.dumps(manifest).encode())
    entry = _descriptor(blobs[2], "application/vnd.oci.image.manifest.v1+json")
    entry["annotations"] = {"io.containerd.image.name": image.reference, "org.opencontainers.image.ref.name": "dev"}
    index = {"schemaVersion": 2, "manifests": [entry]}
    with tarfile.open(target, "w") as archive:
        _add(archive, "oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
        _add(archive, "index.json", json.dumps(index).encode())
        for blob in blobs:
            _add(archive, f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}", blob)


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _descriptor(data: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(data), "size": len(data)}


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))

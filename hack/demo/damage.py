"""A version whose model file is not what its manifest says, from the first moment that it exists."""

from __future__ import annotations

import tempfile
from pathlib import Path

from examples.employment.train import Trained, publish_trained

from modelloop_core.manifest import MANIFEST_NAME
from modelloop_core.registry import Registry
from modelloop_core.storage.directory import DirectoryStore
from modelloop_core.storage.port import ObjectStore


def publish_damaged(trained: Trained, version: str, store: ObjectStore) -> None:
    """Publish into a folder, then copy it with one bit of the model changed and the manifest last."""
    with tempfile.TemporaryDirectory(prefix="modelloop-demo-") as folder:
        publish_trained(trained, Registry(DirectoryStore(Path(folder))), version=version)
        files = (Path(folder) / "versions" / version).iterdir()
        for path in sorted(files, key=lambda path: path.name == MANIFEST_NAME):
            content = bytearray(path.read_bytes())
            if path.name.startswith("model."):
                content[len(content) // 2] ^= 1
            store.create(f"versions/{version}/{path.name}", bytes(content))

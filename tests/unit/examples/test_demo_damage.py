"""The version that the demo damages exists, and no reader ever gets its model."""

from __future__ import annotations

from pathlib import Path

import pytest
from examples.employment import census
from examples.employment.train import Variant, train
from hack.demo.damage import publish_damaged

from modelloop_core.registry import Registry
from modelloop_core.registry_errors import ChecksumMismatch
from modelloop_core.versions import Version
from support.memory_store import MemoryStore

DAMAGED = Version.parse("1.3.0")


def test_a_damaged_version_is_there_and_its_model_alone_is_refused(tmp_path: Path) -> None:
    registry = Registry(MemoryStore())
    people = census.records().sample(2000, random_state=1)
    publish_damaged(train(Variant("1.0.0", width=2, epochs=1, members=1), people), str(DAMAGED), registry.store)

    assert registry.versions() == (DAMAGED,)
    manifest = registry.manifest(DAMAGED)
    for name in set(manifest.files) - {manifest.model_file}:
        registry.read(DAMAGED, name)
    with pytest.raises(ChecksumMismatch, match=r"model\.pt2"):
        registry.download(DAMAGED, tmp_path)

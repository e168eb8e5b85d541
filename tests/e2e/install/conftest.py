"""An installation in a namespace that enforces Pod Security restricted, and a version to serve in it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from e2e.install.installation import CRDS, Installation
from e2e.install.machine import Machine
from modelloop_core.manifest import Manifest, ModelFormat
from modelloop_core.registry import Files, Registry, describe
from support import model_files
from support.published import pair


@pytest.fixture(scope="module")
def installation(swept: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Both charts, installed; its namespace goes with the module, the MLModel resource stays."""
    name = f"install-{secrets.token_hex(3)}"
    found = Installation(swept, name, f"s3://{swept.environment['MODELLOOP_S3_BUCKET']}/{name}")
    _publish(found, tmp_path_factory.mktemp("model"))
    found.machine.apply(found.restricted_namespace(), found.store_secret())
    try:
        found.install_crds(CRDS)
        found.install()
        yield found
    finally:
        found.uninstall("--ignore-not-found")
        found.machine.kubectl("delete", "mlmodels", "--all", "-n", name, "--wait=false")
        found.machine.kubectl("delete", "namespace", name, "--wait=false")


def _publish(found: Installation, folder: Path) -> None:
    model = model_files.onnx_logistic(folder / ModelFormat.ONNX.value, 2)
    files: Files = {model.name: model}
    manifest = Manifest(
        version="1.0.0",
        format=ModelFormat.ONNX,
        signature=pair(),
        files=describe(files),
        example=(1.0, 2.0),
        created=datetime.now(UTC),
    )
    Registry(found.store).publish(manifest, files)

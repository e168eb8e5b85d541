"""A fresh installation and MLModel for the module; all of it goes afterwards."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from e2e.install.installation import CRDS, Installation
from e2e.install.machine import machine
from e2e.serving.scene import Scene


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """1.0.0 serves on two pods."""
    name = f"serving-{secrets.token_hex(3)}"
    installation = Installation(machine(), name, f"s3://{machine().environment['MODELLOOP_S3_BUCKET']}/{name}")
    found = Scene(installation, tmp_path_factory.mktemp("models"))
    installation.machine.apply(installation.restricted_namespace(), installation.store_secret())
    try:
        installation.install_crds(CRDS)
        installation.install(**{"operator.registryPollSeconds": 1, "operator.drainSeconds": 5})
        found.publish("1.0.0")
        found.apply()
        found.wait_for_version("1.0.0")
        yield found
    finally:
        installation.machine.kubectl("delete", "mlmodels", "--all", "-n", name, "--wait=false")
        installation.uninstall("--ignore-not-found")
        installation.machine.kubectl("delete", "namespace", name, "--wait=false")

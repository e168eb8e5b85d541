"""A fresh installation and MLModel for the module, behind the gateway or an Ingress; all of it goes afterwards."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from e2e.install.installation import CRDS, Installation
from e2e.install.machine import Machine, Object, ingress_url
from e2e.serving.scene import Scene, through_gateway, through_ingress


@pytest.fixture(scope="module")
def scene(swept: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """1.0.0 serves on two pods behind the shared Gateway."""
    url = swept.environment["MODELLOOP_GATEWAY_URL"]
    with _serving(swept, tmp_path_factory.mktemp("models"), url, through_gateway) as found:
        yield found


@pytest.fixture(scope="module")
def behind_ingress(swept: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """1.0.0 serves on two pods behind an Ingress."""
    with _serving(swept, tmp_path_factory.mktemp("models"), ingress_url(), through_ingress) as found:
        yield found


@contextmanager
def _serving(where: Machine, scratch: Path, url: str, traffic: Callable[[str], Object]) -> Iterator[Scene]:
    name = f"serving-{secrets.token_hex(3)}"
    host = f"{name}.example.com"
    installation = Installation(where, name, f"s3://{where.environment['MODELLOOP_S3_BUCKET']}/{name}")
    found = Scene(installation, scratch, url, host, traffic(host))
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

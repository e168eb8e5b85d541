"""Contour, an Ingress controller on Envoy, for whoever asks for one: the cluster itself does without."""

import shutil
import tempfile
from pathlib import Path

import yaml

from .binaries import CONTOUR, module_folder
from .kubectl import Kubectl
from .profiles import MODULE
from .shell import say

NAMESPACE = "projectcontour"
NODE_PORT = 30081
IMAGE = "localhost/modelloop/contour"
# What the example names, and what a node without a registry has instead.
LOCAL_IMAGES = {
    "ghcr.io/projectcontour/contour": IMAGE,
    "docker.io/envoyproxy/envoy": "localhost/modelloop/envoy",
}


def install(kubectl: Kubectl, address: str, images: dict[str, str]) -> None:
    """Install or leave as it is, class `contour`, and wait until it runs; no images mean upstream's."""
    say("  Contour as the Ingress controller")
    kubectl.apply(_manifest(kubectl, address, images))
    kubectl.apply((MODULE / "manifests/ingress-class.yaml").read_text())
    for deployment in ("contour", "envoy"):
        kubectl("rollout", "status", f"deployment/{deployment}", "-n", NAMESPACE, "--timeout=110s")


def url(address: str) -> str:
    """Where it answers as soon as there is an Ingress; manifests/contour.yaml fixes the port."""
    return f"http://{address}:{NODE_PORT}"


def _manifest(kubectl: Kubectl, address: str, images: dict[str, str]) -> str:
    text = (MODULE / "manifests/contour.yaml").read_text().replace("ADDRESS", address)
    names = [{"name": name, "newName": local, "newTag": "dev"} for name, local in images.items()]
    source = module_folder("github.com/projectcontour/contour", CONTOUR.module)
    with tempfile.TemporaryDirectory() as work:
        # A copy, for kustomize takes nothing from outside its own folder.
        shutil.copytree(source / "examples", work, copy_function=shutil.copyfile, dirs_exist_ok=True)
        Path(work, "kustomization.yaml").write_text(yaml.safe_dump({**yaml.safe_load(text), "images": names}))
        return kubectl("kustomize", work)

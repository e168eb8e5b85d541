"""Envoy Gateway by its own Helm chart, which travels in the Go module; and the one Gateway of this cluster."""

import shutil
from pathlib import Path
from typing import Any

import yaml

from .binaries import module_folder
from .kubectl import Kubectl
from .profiles import MODULE, cache_folder
from .shell import answers, run, say, succeeds, wait_until, write

NAMESPACE = "envoy-gateway-system"
IMAGE = "localhost/modelloop/envoy-gateway:dev"
ENVOY_IMAGE = "localhost/modelloop/envoy:dev"
GATEWAY = ("modelloop", "modelloop-gateway")
NODE_PORT = 30080
UPSTREAM = "docker.io/envoyproxy/gateway:v1.9.1"


def chart() -> Path:
    """The chart with its two placeholders filled in; a copy, for the module cache is read-only."""
    source = module_folder("github.com/envoyproxy/gateway")
    target = cache_folder() / "charts" / source.name
    if not (target / "values.yaml").exists():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source / "charts/gateway-helm", target, copy_function=shutil.copyfile)
        # Folders keep the module cache's mode, which forbids everybody but root to write the values.
        for folder in [target, *(path for path in target.rglob("*") if path.is_dir())]:
            folder.chmod(0o755)
        values = (target / "values.tmpl.yaml").read_text()
        filled = values.replace("${GatewayImage}", IMAGE).replace("${GatewayImagePullPolicy}", "IfNotPresent")
        write(target / "values.yaml", filled)
    return target


def install_crds(kubectl: Kubectl) -> None:
    """Gateway API and Envoy Gateway types alone, for clusters in which no gateway runs."""
    files = sorted((chart() / "charts/crds").rglob("*.yaml"))
    crds = [text for text in (file.read_text() for file in files) if "\nkind: CustomResourceDefinition" in text]
    kubectl.apply("\n---\n".join(crds))


def install(kubectl: Kubectl, helm: str, values: dict[str, Any], address: str) -> None:
    """Install or leave as it is, then wait until the Gateway answers; no values mean upstream's images."""
    where = ["--kubeconfig", str(kubectl.kubeconfig), "--kube-context", kubectl.context, "--namespace", NAMESPACE]
    status = [helm, "status", "eg", *where]
    if not succeeds(status) or "STATUS: deployed" not in run(status):
        say("  installing Envoy Gateway")
        options = ["--create-namespace", "--wait", "--timeout", "3m", "-f", "-"]
        images = values or {"global": {"images": {"envoyGateway": {"image": UPSTREAM}}}}
        run([helm, "upgrade", "--install", "eg", chart(), *where, *options], stdin=yaml.safe_dump(images))
    kubectl.apply(_manifest(with_image=bool(values)))
    name, namespace = GATEWAY
    kubectl.wait_condition("gateway", name, "Programmed", namespace=namespace, deadline=120)
    # Conditions outlive a crash of the machine's processes; only an answer shows that Envoy is back.
    wait_until(f"answer of the Gateway at {url(address)}", lambda: answers(url(address)), 120)


def _manifest(with_image: bool) -> str:
    lines = (MODULE / "manifests/gateway.yaml").read_text().splitlines()
    return "\n".join(
        line for line in lines if with_image or not line.lstrip().startswith(("image:", "imagePullPolicy:"))
    )


def local_values() -> dict[str, Any]:
    """Images that were imported, not pulled."""
    manager = {"image": IMAGE}
    return {
        "global": {"images": {"envoyGateway": {"image": IMAGE}, "envoyProxy": {"image": ENVOY_IMAGE}}},
        "config": {"envoyGateway": {"provider": {"kubernetes": {"shutdownManager": manager}}}},
        # No zone to read on one node, and one webhook less that can fail.
        "topologyInjector": {"enabled": False},
    }


def url(address: str) -> str:
    """Where the shared Gateway answers; manifests/gateway.yaml fixes the port."""
    return f"http://{address}:{NODE_PORT}"

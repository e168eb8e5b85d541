"""Someone who is told of incidents: a pod that keeps what is posted to it, and the Secret with its address."""

from __future__ import annotations

import json
from typing import Any

import yaml
from hack.demo.cluster import ROOT, Cluster, Object
from hack.demo.model import NAMESPACE, WEBHOOK_SECRET

NAME, PORT = "on-call", 8080
_SCRIPT = """
import http.server
class Keeper(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        print("TOLD " + self.rfile.read(int(self.headers["content-length"])).decode(), flush=True)
        self.send_response(204)
        self.end_headers()
    def log_message(self, *arguments):
        pass
http.server.HTTPServer(("", 8080), Keeper).serve_forever()
"""


def objects() -> tuple[Object, ...]:
    """The pod, its Service and the Secret that an MLModel's `alerts.webhook` names."""
    image = yaml.safe_load((ROOT / "charts/modelloop/values.yaml").read_text())["images"]["control"]
    labels = {"app": NAME}
    container = {
        "name": "keeper",
        "image": image,
        "command": ["python", "-u", "-c", _SCRIPT],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    pod = {"securityContext": security, "automountServiceAccountToken": False, "containers": [container]}
    return (
        _object("v1", "Pod", NAME, labels, spec=pod),
        _object("v1", "Service", NAME, labels, spec={"selector": labels, "ports": [{"port": PORT}]}),
        _object("v1", "Secret", WEBHOOK_SECRET, labels, stringData={"url": f"http://{NAME}.{NAMESPACE}:{PORT}/"}),
    )


def told(cluster: Cluster) -> list[dict[str, Any]]:
    """Every notification that came, oldest first."""
    lines = cluster.kubectl("-n", NAMESPACE, "logs", NAME, check=False).splitlines()
    return [json.loads(line.removeprefix("TOLD ")) for line in lines if line.startswith("TOLD ")]


def _object(version: str, kind: str, name: str, labels: dict[str, str], **content: Any) -> Object:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": labels}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}

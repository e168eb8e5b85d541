"""Renders the charts with the real helm, whose absence is a failure that says how to get it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART, CRDS = ROOT / "charts/modelloop", ROOT / "charts/modelloop-crds"
NAMESPACE = "modelloop-system"

Object = dict[str, Any]


class Refused(Exception):
    """What helm said when it would not."""


def find_helm() -> str:
    """helm from PATH, else from the binary cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "modelloop" / "bin"
    found = shutil.which("helm") or next((str(path) for path in sorted(cache.glob("*/helm"))), None)
    if found is None:
        raise AssertionError(f"helm is neither on PATH nor in {cache}/*: run `make binaries`, or install Helm 3.17+")
    return found


def helm(*arguments: str, stdin: str | None = None) -> str:
    """What helm printed; raises Refused."""
    done = subprocess.run(
        [find_helm(), *arguments], input=stdin, capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode:
        raise Refused(done.stdout + done.stderr)
    return done.stdout


def render(values: Mapping[str, Any] | None = None, *apis: str, chart: Path = CHART) -> list[Object]:
    """The objects of a chart under these values, in a cluster that serves these further APIs; raises Refused."""
    offered = [word for api in apis for word in ("--api-versions", api)]
    # A helm that was built without version stamps takes itself for Kubernetes 1.20.
    words = ("template", "modelloop", str(chart), "--namespace", NAMESPACE, "--kube-version", "1.36.0", "--values", "-")
    text = helm(*words, *offered, stdin=json.dumps(values or {}))
    return [found for found in yaml.safe_load_all(text) if found]


def of_kind(objects: list[Object], kind: str) -> list[Object]:
    """Those of one kind."""
    return [found for found in objects if found["kind"] == kind]


def the(objects: list[Object], kind: str, component: str = "") -> Object:
    """The only one of its kind, or of its kind and component."""
    found = of_kind(objects, kind)
    (only,) = [one for one in found if component in ("", one["metadata"]["labels"]["app.kubernetes.io/component"])]
    return only


def pod_specs(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Name and spec of every pod that these objects make."""
    for found in objects:
        if found["kind"] == "Pod":
            yield found["metadata"]["name"], found["spec"]
        elif "template" in found.get("spec", {}):
            yield found["metadata"]["name"], found["spec"]["template"]["spec"]


def values_with(path: str, value: object) -> dict[str, Any]:
    """Values in which only `path` (dots between keys) is set."""
    nested: Any = value
    for key in reversed(path.split(".")):
        nested = {key: nested}
    result: dict[str, Any] = nested
    return result

"""`helm test`: are operator and monitor ready, is MLModel served, and does a model answer? Standard library only."""

# ruff: noqa: S310, T201 - it asks the URLs that the chart gives it, and prints for `helm test --logs`.

from __future__ import annotations

import http.client
import json
import math
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

API = "https://kubernetes.default.svc/apis/modelloop.dev/v1alpha1"
IDENTITY = Path("/var/run/secrets/kubernetes.io/serviceaccount")
Check = tuple[str, Callable[[], str], str]
"""Its name, what it does and what to do when it fails."""
RETRY_SECONDS = 1.0
REQUEST_SECONDS = 5


class Failed(Exception):
    """What was asked, and what came back."""


def main() -> int:
    """Check the operator, the resource and, where one is named, a model."""
    model = os.environ["MODEL_URL"]
    found = checks(os.environ["OPERATOR_URL"], model, os.environ.get("MONITOR_URL", ""))
    failed = run(found, float(os.environ["TIMEOUT_SECONDS"]))
    if not failed and not model:
        say("No model was asked: set test.model.name (and test.model.namespace) by `helm upgrade` to ask one.")
    return failed


def run(checks: Iterable[Check], patience: float) -> int:
    """One line for each check; exit code 1 at the first that fails, with what to do."""
    started = time.monotonic()
    for name, check, advice in checks:
        try:
            say(f"{name}: {within(started + patience, check)}")
        except Failed as error:
            waited = time.monotonic() - started
            say(f"FAILED {' '.join(str(error).split())} (tried for {waited:.0f} s); {advice}")
            return 1
    return 0


def checks(operator: str, model: str, monitor: str = "") -> Iterator[Check]:
    """What the chart has checked, in the order in which things depend on one another."""
    yield "operator", lambda: is_ready(operator), "look at the operator's pods and their logs"
    if monitor:
        yield "monitor", lambda: is_ready(monitor), "look at the monitor's pods, their logs and their volume"
    yield "resource", mlmodel_is_served, "install the chart modelloop-crds"
    if model:
        yield "model", lambda: model_answers(model), "look at the MLModel with `kubectl mlmodel doctor`"


def is_ready(component: str) -> str:
    """Its /readyz says so."""
    url = f"{component}/readyz"
    fetch(url)
    return f"{url} says ready"


def mlmodel_is_served() -> str:
    """The API server serves MLModels."""
    try:
        token = (IDENTITY / "token").read_text()
        context = ssl.create_default_context(cafile=str(IDENTITY / "ca.crt"))
    except OSError as error:
        raise Failed(f"the test's own identity cannot be read from {IDENTITY}: {error}") from error
    found = document(API, headers={"Authorization": f"Bearer {token}"}, context=context)[1]
    resources = found.get("resources")
    names = [resource.get("name") for resource in resources] if isinstance(resources, list) else []
    if "mlmodels" not in names:
        raise Failed(f"{API} serves {names}, not mlmodels")
    return "MLModel is served"


def model_answers(model: str) -> str:
    """The model answers its own example, and header and body name one version."""
    _, described = document(f"{model}/model")
    if "example" not in described:
        raise Failed(f"{model}/model names no example, only {sorted(described)}; a ModelLoop predictor does")
    body = json.dumps({"features": described["example"]}).encode()
    headers, answer = document(f"{model}/predict", body, {"Content-Type": "application/json"})
    named, told = headers.get("x-model-version"), answer.get("model_version")
    if not told or named != told:
        raise Failed(f"{model}/predict: header x-model-version is {named!r}, model_version is {told!r}")
    prediction = answer.get("prediction")
    is_number = isinstance(prediction, (int, float)) and math.isfinite(prediction)
    if not is_number and not isinstance(prediction, str):
        raise Failed(f"{model}/predict answered {answer!r}, which holds no prediction")
    return f"{model} answered {prediction!r} by {told}"


def within(deadline: float, check: Callable[[], str]) -> str:
    """The check's answer, tried until the deadline: pods and DNS may still be on their way."""
    while True:
        try:
            return check()
        except Failed:
            if time.monotonic() + RETRY_SECONDS > deadline:
                raise
            time.sleep(RETRY_SECONDS)


def document(
    url: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    context: ssl.SSLContext | None = None,
) -> tuple[Mapping[str, str], dict[str, Any]]:
    """Headers and JSON object of a 2xx answer; raises Failed with what came instead."""
    answered, content = fetch(url, body, headers, context)
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Failed(f"{url} answered no JSON object but {content[:200].decode(errors='replace')!r}")
    return answered, found


def fetch(
    url: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    context: ssl.SSLContext | None = None,
) -> tuple[Mapping[str, str], bytes]:
    """Headers and body of a 2xx answer; raises Failed with what came instead."""
    try:
        request = urllib.request.Request(url, data=body, headers=dict(headers or {}))
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS, context=context) as answer:
            return answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        raise Failed(f"{url} answered {error.code}: {error.read(500).decode(errors='replace')}") from error
    except OSError as error:
        raise Failed(f"{url} does not answer: {error}") from error
    except (http.client.HTTPException, ValueError) as error:
        raise Failed(f"{url} gave no proper answer: {error!r}") from error


def say(line: str) -> None:
    """One line for `helm test --logs`."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())

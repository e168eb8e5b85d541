"""`helm test`: is the operator ready, is MLModel served, and does a model answer? Standard library only."""

# ruff: noqa: S310, T201 - it asks the URLs that the chart gives it, and prints for `helm test --logs`.

from __future__ import annotations

import json
import math
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

API = "https://kubernetes.default.svc/apis/modelloop.dev/v1alpha1"
IDENTITY = Path("/var/run/secrets/kubernetes.io/serviceaccount")
RETRY_SECONDS = 1.0
REQUEST_SECONDS = 5


class Failed(Exception):
    """What was asked, and what came back."""


def main() -> int:
    """Run the checks in order; one line each, and exit code 1 at the first that fails."""
    deadline = time.monotonic() + float(os.environ["TIMEOUT_SECONDS"])
    try:
        say(f"operator: {within(deadline, operator_is_ready)}")
        say(f"resource: {within(deadline, mlmodel_is_served)}")
        model = os.environ["MODEL_URL"]
        if not model:
            say("No model was asked: set test.model.name (and test.model.namespace) by `helm upgrade` to ask one.")
            return 0
        say(f"model: {within(deadline, lambda: model_answers(model))}")
    except Failed as error:
        say(f"FAILED {error}")
        return 1
    return 0


def operator_is_ready() -> str:
    """The operator's /readyz says so."""
    url = os.environ["OPERATOR_URL"] + "/readyz"
    fetch(url)
    return f"{url} says ready"


def mlmodel_is_served() -> str:
    """The API server serves MLModels."""
    token = (IDENTITY / "token").read_text()
    context = ssl.create_default_context(cafile=str(IDENTITY / "ca.crt"))
    _, found = fetch(API, headers={"Authorization": f"Bearer {token}"}, context=context)
    names = [resource["name"] for resource in json.loads(found)["resources"]]
    if "mlmodels" not in names:
        raise Failed(f"{API} serves {names}, not mlmodels; is the chart modelloop-crds installed?")
    return "MLModel is served"


def model_answers(model: str) -> str:
    """The model answers its own example, and header and body name one version."""
    example = json.loads(fetch(f"{model}/model")[1])["example"]
    body = json.dumps({"features": example}).encode()
    headers, answered = fetch(f"{model}/predict", body, {"Content-Type": "application/json"})
    answer = json.loads(answered)
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


def fetch(
    url: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    context: ssl.SSLContext | None = None,
) -> tuple[Mapping[str, str], bytes]:
    """Headers and body of a 2xx answer; raises Failed with what came instead."""
    request = urllib.request.Request(url, data=body, headers=dict(headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS, context=context) as answer:
            return answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        raise Failed(f"{url} answered {error.code}: {error.read(500).decode(errors='replace')}") from error
    except OSError as error:
        raise Failed(f"{url} does not answer: {error}") from error


def say(line: str) -> None:
    """One line for `helm test --logs`."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""The monitor's report of one MLModel: through the API server, with the person's own rights, or at an address."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request

from pydantic import ValidationError

from modelloop_cli.cluster.connection import Connection
from modelloop_cli.cluster.refusals import Forbidden, Unreadable
from modelloop_cli.errors import Refused
from modelloop_core.wire.reports import MODELS_PATH, DriftReport

_SECONDS = 15
_SERVICES = "/api/v1/services"
_MONITOR_LABELS = "app.kubernetes.io/part-of=modelloop,app.kubernetes.io/component=monitor"
_ADDRESS = "give --monitor with its address, for example of a `kubectl port-forward` to its Service"
_TOKEN = "MODELLOOP_MONITOR_TOKEN"  # noqa: S105 the name of a variable


def drift_report(connection: Connection, name: str, address: str | None) -> DriftReport:
    """The last report; raises Refused when there is no monitor, or it has none."""
    path = f"{MODELS_PATH}/{connection.namespace}/{name}/drift"
    found = _at(address, path) if address else _by_proxy(connection, path)
    if found is None:
        raise Refused(
            f"the monitor has no report of {connection.namespace}/{name} yet",
            "the first comes when a window with traffic is over; spec.monitoring.window says how long one is",
        )
    try:
        return DriftReport.model_validate(found)
    except ValidationError as error:
        raise Refused(f"what answered is no monitor of this release: {error.errors()[0]['msg']}", _ADDRESS) from error


def _by_proxy(connection: Connection, path: str) -> object:
    try:
        listed = connection.read(_SERVICES, labelSelector=_MONITOR_LABELS) or {}
    except Forbidden as error:
        raise Forbidden(str(error), _ADDRESS) from error
    services = listed.get("items") or []
    if len(services) != 1:
        found = "no monitor" if not services else f"{len(services)} monitors"
        raise Refused(f"this cluster has {found} (Services labelled {_MONITOR_LABELS})", _ADDRESS)
    meta, port = services[0]["metadata"], services[0]["spec"]["ports"][0]["port"]
    proxy = f"/api/v1/namespaces/{meta['namespace']}/services/http:{meta['name']}:{port}/proxy"
    try:
        return connection.read(proxy + path)
    except Unreadable as error:
        raise Unreadable(str(error), f"{_ADDRESS}; {_TOKEN} is shown to it where it asks for one") from error


def _at(address: str, path: str) -> object:
    asked = address.rstrip("/") + path
    token = os.environ.get(_TOKEN)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        request = urllib.request.Request(asked, headers=headers)  # noqa: S310 http or https by the option
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise Refused(f"{asked} answered {error.code}", f"{_TOKEN} is shown to it") from error
    except (OSError, ValueError) as error:
        raise Refused(f"{asked} gave no report: {error}", "is it the monitor's address?") from error

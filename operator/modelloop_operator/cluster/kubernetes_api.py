"""The adapter of the cluster port: the official client's dynamic client, with its errors translated."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiClient
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.dynamic import DynamicClient
from kubernetes.aio.dynamic.exceptions import DynamicApiError

from modelloop_operator.cluster.kinds import Kind
from modelloop_operator.cluster.port import ClusterError, Conflict, Faulted, Missing, Object, Rejected, Unreachable

_REQUEST_SECONDS = 15
_PAGE = 500


class KubernetesApi:
    """The Kubernetes API over HTTPS; implements `Cluster`."""

    def __init__(self, client: ApiClient, manager: str) -> None:
        self._dynamic = DynamicClient(client)
        self._manager = manager

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object:
        """One object; raises Missing."""
        return await self._request("get", kind.path(namespace, name))

    async def list(self, kind: Kind, namespace: str | None = None, selector: str = "") -> list[Object]:
        """All objects of a kind, page by page."""
        items: list[Object] = []
        token: str | None = None
        while True:
            params: dict[str, Any] = {"limit": _PAGE, "label_selector": selector or None, "_continue": token}
            page = await self._request("get", kind.path(namespace), **params)
            items += page.get("items", [])
            token = page.get("metadata", {}).get("continue")
            if not token:
                return items

    async def apply(self, kind: Kind, body: Object) -> Object:
        """Server-side apply with force: what is rendered is ours."""
        path = kind.path(body["metadata"].get("namespace"), body["metadata"]["name"])
        return await self._request(
            "patch",
            path,
            body,
            content_type="application/apply-patch+yaml",
            field_manager=self._manager,
            force_conflicts="true",
        )

    async def create(self, kind: Kind, body: Object) -> Object:
        """Create a new object."""
        path = kind.path(body["metadata"].get("namespace"))
        return await self._request("post", path, body, field_manager=self._manager)

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        """Delete exactly the object with this uid, its dependents in the background."""
        options = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            await self._request("delete", kind.path(namespace, name), options)
        except (Missing, Conflict):
            return  # gone already, or another object took the name

    async def replace(self, kind: Kind, body: Object, subresource: str | None = None) -> Object:
        """Replace at body's resourceVersion."""
        path = kind.path(body["metadata"].get("namespace"), body["metadata"]["name"], subresource)
        return await self._request("put", path, body, field_manager=self._manager)

    async def _request(self, method: str, path: str, body: Object | None = None, **params: Any) -> Object:
        what = f"{method.upper()} {path}"
        try:
            response = await self._dynamic.request(
                method, path, body=body, serialize=False, _request_timeout=_REQUEST_SECONDS, **params
            )
            parsed: Object = json.loads(await response.read())
        except (DynamicApiError, ApiException) as error:
            raise _translate(error, what) from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unreachable(f"{what}: {type(error).__name__}: {error}") from error
        return parsed


def _translate(error: Any, what: str) -> ClusterError:
    found = f"{what}: {error.status} {_reason(error)}"
    match error.status:
        case 404:
            return Missing(found)
        case 409:
            return Conflict(found)
        case 400 | 403 | 405 | 415 | 422:
            return Rejected(found)
        case 500 | 504:
            return Faulted(found, _retry_after(error))
        case _:
            return Unreachable(found, _retry_after(error))


def _reason(error: Any) -> str:
    try:
        message: str = json.loads(error.body)["message"]
    except (TypeError, ValueError, KeyError):
        return str(error.reason)
    return message


def _retry_after(error: Any) -> float | None:
    value = (error.headers or {}).get("Retry-After")
    return float(value) if value and str(value).isdigit() else None

"""The adapter's errors: what the API server says becomes one small family, with its words kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from kubernetes.aio.client.exceptions import ApiException

from modelloop_operator.cluster.kinds import HTTP_ROUTE, NODE, SERVICE, kind_of
from modelloop_operator.cluster.kubernetes_api import KubernetesApi
from modelloop_operator.cluster.port import ClusterError, Conflict, Faulted, Missing, Rejected, Unreachable


class Response:
    """What aiohttp answers."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def read(self) -> bytes:
        """The body."""
        return self._body


class Scripted(KubernetesApi):
    """An adapter whose connection answers from a script."""

    def __init__(self, *answers: bytes | BaseException) -> None:
        self._manager = "modelloop"
        self._answers = list(answers)
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self._dynamic = self

    async def request(self, method: str, path: str, **options: Any) -> Response:
        """The next answer."""
        self.asked.append((method, path, options))
        answer = self._answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return Response(answer)


def refused(status: int, message: str | None = "because", **headers: str) -> ApiException:
    error = ApiException(status=status, reason="Reason")
    error.body = json.dumps({"message": message}) if message else "<html>"
    error.headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return error


ERRORS = [
    pytest.param(refused(404), Missing, id="404"),
    pytest.param(refused(409), Conflict, id="409"),
    pytest.param(refused(400), Rejected, id="400"),
    pytest.param(refused(403), Rejected, id="403"),
    pytest.param(refused(405), Rejected, id="405"),
    pytest.param(refused(415), Rejected, id="415"),
    pytest.param(refused(422), Rejected, id="422"),
    pytest.param(refused(401), Unreachable, id="401: a token is being renewed"),
    pytest.param(refused(410), Unreachable, id="410: a page of a list ran out"),
    pytest.param(refused(429), Unreachable, id="429"),
    pytest.param(refused(500), Faulted, id="500: as when a webhook fails"),
    pytest.param(refused(503), Unreachable, id="503"),
    pytest.param(refused(504), Faulted, id="504"),
    pytest.param(aiohttp.ClientConnectionError("refused"), Unreachable, id="a refused connection"),
    pytest.param(aiohttp.ServerDisconnectedError(), Unreachable, id="a lost connection"),
    pytest.param(TimeoutError(), Unreachable, id="no answer in time"),
    pytest.param(OSError("no route to host"), Unreachable, id="no route"),
    pytest.param(b"<html>", Unreachable, id="an answer that is no JSON"),
]


@pytest.mark.parametrize(("answer", "kind"), ERRORS)
def test_an_error_of_the_api_server(answer: Any, kind: type[ClusterError]) -> None:
    with pytest.raises(ClusterError) as found:
        asyncio.run(Scripted(answer).get(SERVICE, "shop", "churn"))
    assert type(found.value) is kind
    assert str(found.value).startswith("GET /api/v1/namespaces/shop/services/churn: ")


def test_the_api_servers_words_are_kept_and_so_is_the_cause() -> None:
    cause = refused(422, 'Service "churn" is invalid')
    with pytest.raises(Rejected, match='422 Service "churn" is invalid') as found:
        asyncio.run(Scripted(cause).get(SERVICE, "shop", "churn"))
    assert found.value.__cause__ is cause


def test_an_answer_without_words_gives_the_reason() -> None:
    with pytest.raises(Unreachable, match="503 Reason"):
        asyncio.run(Scripted(refused(503, None)).get(SERVICE, "shop", "churn"))


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", None), ("", None)])
def test_the_api_servers_own_wish_is_passed_on(header: str, seconds: float | None) -> None:
    with pytest.raises(Unreachable) as found:
        asyncio.run(Scripted(refused(429, Retry_After=header)).get(SERVICE, "shop", "churn"))
    assert found.value.retry_after == seconds
    assert found.value.retriable


@pytest.mark.parametrize("status", [404, 409], ids=["it is gone", "another object took the name"])
def test_deleting_what_is_no_longer_there_is_fine(status: int) -> None:
    api = Scripted(refused(status))
    asyncio.run(api.delete(SERVICE, "shop", "churn", "uid-1"))
    assert api.asked[0][2]["body"] == {"propagationPolicy": "Background", "preconditions": {"uid": "uid-1"}}


def test_a_list_goes_on_page_by_page() -> None:
    def page(name: str, token: str) -> bytes:
        return json.dumps({"items": [{"metadata": {"name": name}}], "metadata": {"continue": token}}).encode()

    api = Scripted(page("a", "more"), page("b", ""))
    found = asyncio.run(api.list(SERVICE, None, "x=y"))
    assert [item["metadata"]["name"] for item in found] == ["a", "b"]
    assert [options["_continue"] for _, _, options in api.asked] == [None, "more"]
    assert {options["label_selector"] for _, _, options in api.asked} == {"x=y"}


def test_every_request_has_a_deadline() -> None:
    api = Scripted(*[b"{}"] * 5)
    body = {"metadata": {"name": "churn", "namespace": "shop"}}

    async def everything() -> None:
        await api.get(SERVICE, "shop", "churn")
        await api.apply(SERVICE, body)
        await api.create(SERVICE, body)
        await api.replace(SERVICE, body, "status")
        await api.delete(SERVICE, "shop", "churn", "uid-1")

    asyncio.run(everything())
    assert all(options["_request_timeout"] for _, _, options in api.asked)
    assert [method for method, _, _ in api.asked] == ["get", "patch", "post", "put", "delete"]


PATHS: list[tuple[Callable[[], str], str]] = [
    (lambda: SERVICE.path("shop", "churn"), "/api/v1/namespaces/shop/services/churn"),
    (lambda: SERVICE.path(), "/api/v1/services"),
    (lambda: NODE.path(None, "one"), "/api/v1/nodes/one"),
    (
        lambda: HTTP_ROUTE.path("shop", "churn", "status"),
        "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/churn/status",
    ),
]


@pytest.mark.parametrize(("make", "path"), PATHS, ids=[path for _, path in PATHS])
def test_path(make: Callable[[], str], path: str) -> None:
    assert make() == path


def test_group_and_version_of_a_kind() -> None:
    assert (SERVICE.group, SERVICE.version) == ("", "v1")
    assert (HTTP_ROUTE.group, HTTP_ROUTE.version) == ("gateway.networking.k8s.io", "v1")


def test_only_rendered_kinds_have_a_place() -> None:
    assert kind_of({"apiVersion": "v1", "kind": "Service"}) == SERVICE
    with pytest.raises(KeyError, match="v1/Pod"):
        kind_of({"apiVersion": "v1", "kind": "Pod"})

"""One MLModel on one cluster, by the person's own kubeconfig and rights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import urllib3
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException

from modelloop_cli.errors import Refused
from modelloop_core.api import GROUP, PLURAL, REQUEST_ANNOTATION, VERSION

Object = dict[str, Any]
_SECONDS = 15


@dataclass(frozen=True)
class Connection:
    """A cluster and a namespace on it."""

    api: client.ApiClient
    namespace: str

    @classmethod
    def open(cls, context: str | None, namespace: str | None) -> Connection:
        """Connect as kubectl would; raises Refused when there is no usable kubeconfig."""
        try:
            api = config.new_client_from_config(context=context)
            _, active = config.list_kube_config_contexts()
        except (ConfigException, TypeError) as error:
            raise Refused(f"no cluster to talk to: {error}", "set KUBECONFIG, or give --context") from error
        return cls(api, namespace or active.get("context", {}).get("namespace") or "default")

    def model(self, name: str) -> Object:
        """The MLModel; raises Refused naming what there is when it is absent."""
        with self._translated(f"MLModel {self.namespace}/{name}"):
            found: Object = self._custom.get_namespaced_custom_object(*self._at(name), _request_timeout=_SECONDS)
            return found

    def models(self) -> list[Object]:
        """All MLModels of the namespace."""
        with self._translated(f"MLModels in {self.namespace}"):
            listed: Object = self._custom.list_namespaced_custom_object(
                GROUP, VERSION, self.namespace, PLURAL, _request_timeout=_SECONDS
            )
            items: list[Object] = listed["items"]
            return items

    def request(self, name: str, request: Object) -> None:
        """Write a person's command as the annotation that the operator obeys once."""
        body = {"metadata": {"annotations": {REQUEST_ANNOTATION: json.dumps(request)}}}
        with self._translated(f"MLModel {self.namespace}/{name}"):
            self._custom.patch_namespaced_custom_object(
                *self._at(name), body, _content_type="application/merge-patch+json", _request_timeout=_SECONDS
            )

    def read(self, path: str, **query: str) -> Object | None:
        """Any object or list by its path; None when it does not exist."""
        try:
            response = self.api.call_api(
                *self.api.param_serialize(
                    "GET", path, query_params=list(query.items()), auth_settings=["BearerToken"],
                    header_params={"Accept": "application/json"},
                ),
                _request_timeout=_SECONDS,
            )  # fmt: skip
            content = response.read()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Refused(f"the API server does not answer: {error}") from error
        if response.status == 404:
            return None
        parsed: Object = json.loads(content)
        if response.status >= 400:
            raise Refused(f"cannot read {path}: {parsed.get('message', response.status)}")
        return parsed

    @property
    def _custom(self) -> client.CustomObjectsApi:
        return client.CustomObjectsApi(self.api)

    def _at(self, name: str) -> tuple[str, str, str, str, str]:
        return (GROUP, VERSION, self.namespace, PLURAL, name)

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except ApiException as error:
            raise _problem(error, what) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Refused(f"the API server does not answer: {error}", "is the cluster up?") from error


def _problem(error: ApiException, what: str) -> Refused:
    try:
        message = json.loads(error.body)["message"]
    except (TypeError, ValueError, KeyError):
        message = str(error.reason)
    if error.status == 404 and "could not find the requested resource" in message:
        return Refused("this cluster has no MLModels", "install charts/modelloop-crds and charts/modelloop")
    if error.status == 404:
        return Refused(f"{what} does not exist", "`kubectl get mlmodels -A` lists what there is")
    return Refused(f"{what}: {message}")

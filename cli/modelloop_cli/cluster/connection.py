"""One MLModel on one cluster, by the person's own kubeconfig and rights."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import urllib3
import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config import kube_config
from kubernetes.config.config_exception import ConfigException

from modelloop_cli.cluster.refusals import answered, unreachable
from modelloop_cli.errors import Refused
from modelloop_core.api import GROUP, PLURAL, REQUEST_ANNOTATION, VERSION
from modelloop_core.api.requests import PersonRequest

Object = dict[str, Any]
_SECONDS = 15
_BROKEN_KUBECONFIG = (ConfigException, yaml.YAMLError, TypeError, AttributeError, KeyError, ValueError)
_NO_ANSWER = (urllib3.exceptions.HTTPError, OSError)


@dataclass(frozen=True)
class Connection:
    """A cluster and a namespace on it."""

    api: client.ApiClient
    namespace: str

    @classmethod
    def open(cls, context: str | None, namespace: str | None) -> Connection:
        """Connect as kubectl would; raises Refused when there is no usable kubeconfig."""
        place = os.environ.get("KUBECONFIG") or "~/.kube/config"
        try:
            merged = kube_config.KubeConfigMerger(place).config
            if merged is None:
                raise Refused(f"no cluster to talk to: there is no kubeconfig at {place}", "set KUBECONFIG")
            # The library's own list of contexts would name the current one, whichever was asked for.
            chosen = kube_config.KubeConfigLoader(config_dict=merged, active_context=context).current_context
            api = config.new_client_from_config(config_file=place, context=context)
        except _BROKEN_KUBECONFIG as error:
            raise Refused(
                f"no cluster to talk to: the kubeconfig {place} cannot be used: {error}",
                "set KUBECONFIG, or give --context with one of `kubectl config get-contexts`",
            ) from error
        return cls(api, namespace or chosen["context"].get("namespace") or "default")

    def model(self, name: str) -> Object:
        """The MLModel; raises Refused when it is absent, or may not be read."""
        with self._translated(f"MLModel {self.namespace}/{name}"):
            found = self._custom.get_namespaced_custom_object(*self._at(name), _request_timeout=_SECONDS)
        if not isinstance(found, dict):
            raise self._stranger()
        return found

    def request(self, name: str, request: PersonRequest, revision: str) -> None:
        """Write a person's command on the MLModel as it was at `revision`; raises Moved when it changed since."""
        annotations = {REQUEST_ANNOTATION: request.model_dump_json(exclude_none=True)}
        body = {"metadata": {"resourceVersion": revision, "annotations": annotations}}
        with self._translated(f"MLModel {self.namespace}/{name}"):
            self._custom.patch_namespaced_custom_object(
                *self._at(name), body, _content_type="application/merge-patch+json", _request_timeout=_SECONDS
            )

    def read(self, path: str, **query: str) -> Object | None:
        """Any object or list by its path; None when it does not exist, raises Unreadable when it cannot be read."""
        with self._translated(path):
            response = self.api.call_api(
                *self.api.param_serialize(
                    "GET", path, query_params=list(query.items()), auth_settings=["BearerToken"],
                    header_params={"Accept": "application/json"},
                ),
                _request_timeout=_SECONDS,
            )  # fmt: skip
            content = response.read()
        if response.status == 404:
            return None
        if response.status >= 400:
            raise answered(response.status, content, path)
        try:
            parsed: Object = json.loads(content)
        except ValueError as error:
            raise self._stranger() from error
        return parsed

    @property
    def _custom(self) -> client.CustomObjectsApi:
        return client.CustomObjectsApi(self.api)

    def _at(self, name: str) -> tuple[str, str, str, str, str]:
        return (GROUP, VERSION, self.namespace, PLURAL, name)

    def _stranger(self) -> Refused:
        host = self.api.configuration.host
        return Refused(f"{host} is no Kubernetes API server", "correct the server in the kubeconfig, or give --context")

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except ApiException as error:
            raise answered(error.status, error.body, what) from error
        except _NO_ANSWER as error:
            raise unreachable(error, self.api.configuration.host) from error

"""The kinds the operator reads or writes, and where the API server keeps them."""

from __future__ import annotations

from dataclasses import dataclass

from modelloop_core.api import GROUP, KIND, PLURAL, VERSION


@dataclass(frozen=True)
class Kind:
    """A kind of object: its API version and its plural name in paths."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The URL path of a collection, an object or a subresource."""
        prefix = f"/api/{self.api_version}" if "/" not in self.api_version else f"/apis/{self.api_version}"
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return prefix + scope + "".join(f"/{part}" for part in (self.plural, name, subresource) if part)

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version within the group."""
        return self.api_version.rpartition("/")[2]


MLMODEL = Kind(f"{GROUP}/{VERSION}", KIND, PLURAL)
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
SERVICE = Kind("v1", "Service", "services")
SERVICE_ACCOUNT = Kind("v1", "ServiceAccount", "serviceaccounts")
DISRUPTION_BUDGET = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
AUTOSCALER = Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
HTTP_ROUTE = Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")
RETRY_POLICY = Kind("gateway.envoyproxy.io/v1alpha1", "BackendTrafficPolicy", "backendtrafficpolicies")
INGRESS = Kind("networking.k8s.io/v1", "Ingress", "ingresses")
GATEWAY = Kind("gateway.networking.k8s.io/v1", "Gateway", "gateways")
ENDPOINT_SLICE = Kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
POD = Kind("v1", "Pod", "pods")
SECRET = Kind("v1", "Secret", "secrets")
NODE = Kind("v1", "Node", "nodes", namespaced=False)
EVENT = Kind("events.k8s.io/v1", "Event", "events")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")

JOB = Kind("batch/v1", "Job", "jobs")
QUOTA = Kind("v1", "ResourceQuota", "resourcequotas")

CHILD_KINDS = (DEPLOYMENT, SERVICE, SERVICE_ACCOUNT, DISRUPTION_BUDGET, AUTOSCALER, INGRESS, JOB)
"""Kinds of children that every cluster has."""

CREATE_ONLY = frozenset({JOB})
"""Kinds of children that are made once and never changed."""

OPTIONAL_CHILD_KINDS = (HTTP_ROUTE, RETRY_POLICY)
"""Kinds of children that exist where their API is installed."""


def kind_of(rendered: dict[str, object]) -> Kind:
    """The kind of a rendered object."""
    for kind in (*CHILD_KINDS, *OPTIONAL_CHILD_KINDS):
        if (kind.api_version, kind.kind) == (rendered["apiVersion"], rendered["kind"]):
            return kind
    raise KeyError(f"{rendered['apiVersion']}/{rendered['kind']} is not a kind that ModelLoop renders")

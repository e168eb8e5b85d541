"""The connection to the API server, at the start of the process."""

from __future__ import annotations

import asyncio
import logging

from kubernetes.aio import client, config

from modelloop_operator.cluster import discovery
from modelloop_operator.cluster.kinds import Kind
from modelloop_operator.cluster.port import Cluster, ClusterError

log = logging.getLogger(__name__)

_RETRY_SECONDS = 2.0


async def api_client() -> client.ApiClient:
    """A client of the API server: as a pod, else as the kubeconfig says."""
    configuration = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        await config.load_kube_config(client_configuration=configuration)
    return client.ApiClient(configuration)


async def served_kinds(cluster: Cluster, namespace: str) -> frozenset[Kind]:
    """What the cluster serves; an API server that is away is waited for."""
    while True:
        try:
            return await discovery.served_kinds(cluster, namespace)
        except ClusterError as error:
            log.warning("waiting for the API server", extra={"error": str(error)})
            await asyncio.sleep(_RETRY_SECONDS)

"""Which APIs this cluster serves; a change ends the process, which then starts with the watches it now needs."""

from __future__ import annotations

import asyncio

from modelloop_operator.cluster.kinds import CHILD_KINDS, HTTP_ROUTE, MLMODEL, OPTIONAL_CHILD_KINDS, RETRY_POLICY, Kind
from modelloop_operator.cluster.port import Cluster, ClusterError, Missing, Rejected
from modelloop_operator.decide.observation import Capabilities


class CapabilitiesChanged(Exception):
    """An API came or went."""


async def served_kinds(cluster: Cluster, namespace: str) -> frozenset[Kind]:
    """The kinds among ours that the API server serves; raises ClusterError when it cannot be asked.

    `namespace` is one in which this operator has its rights: elsewhere "forbidden" would hide "not served".
    """
    found = {*CHILD_KINDS}
    for kind in (MLMODEL, *OPTIONAL_CHILD_KINDS):
        try:
            await cluster.list(kind, namespace)
        except Missing:
            continue
        except Rejected:
            pass  # served, and our rights for it are missing: the first LIST will say so
        found.add(kind)
    return frozenset(found)


def capabilities(served: frozenset[Kind]) -> Capabilities:
    """What decisions and renderers need to know of that."""
    return Capabilities(gateway_api=HTTP_ROUTE in served, envoy_gateway=RETRY_POLICY in served)


async def watch_for_change(cluster: Cluster, served: frozenset[Kind], *, namespace: str, seconds: float) -> None:
    """Look again every `seconds`; raises CapabilitiesChanged when the answer differs."""
    while True:
        await asyncio.sleep(seconds)
        try:
            now = await served_kinds(cluster, namespace)
        except ClusterError:
            continue
        if now != served:
            names = ", ".join(sorted(kind.kind for kind in now ^ served))
            raise CapabilitiesChanged(f"the cluster's APIs changed: {names}")

"""Leader election by a Lease: two replicas stay warm, one acts.

The holder renews well before its term ends and stops acting when it could not, by its own monotonic clock; others
take over only after they saw the Lease unchanged for a whole term by theirs, so clocks need not agree.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from modelloop_core.wire.environment import LEADER_LABEL
from modelloop_operator.cluster.kinds import LEASE
from modelloop_operator.cluster.port import Cluster, ClusterError, Conflict, Missing, Object


class LeadershipLost(Exception):
    """Another replica leads, or ours could not be renewed in time: this process must stop acting."""


@dataclass(frozen=True)
class Terms:
    """Seconds: how long a Lease holds without renewal, how often it is renewed, when the holder gives up."""

    duration: float = 15.0
    renew: float = 4.0
    give_up: float = 10.0


class LeaderElection:
    """Holds one Lease for one identity."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        namespace: str,
        name: str,
        identity: str,
        clock: Callable[[], float],
        terms: Terms | None = None,
    ) -> None:
        self._cluster = cluster
        self._namespace, self._name, self._identity = namespace, name, identity
        self._clock = clock
        self._terms = terms or Terms()
        self._seen: tuple[str, float] = ("", 0.0)
        self._renewed = float("-inf")

    async def acquire(self) -> None:
        """Wait until this identity leads."""
        while True:
            # While the API server is away nothing is ours; an answer that comes too late may speak of the past.
            with contextlib.suppress(ClusterError):
                if await self._renew() and self._left() > 0:
                    return
            await asyncio.sleep(self._terms.renew)

    async def hold(self) -> None:
        """Renew until renewal fails for `give_up` seconds or somebody else holds it; then raises LeadershipLost."""
        while True:
            await asyncio.sleep(max(0.0, min(self._terms.renew, self._left())))
            try:
                # Not wait_for: before Python 3.12 it drops a cancellation that meets the answer, and we would hold on.
                async with asyncio.timeout(max(0.1, self._left())):
                    ours = await self._renew()
            except (ClusterError, TimeoutError) as error:
                if self._left() <= 0:
                    raise LeadershipLost(
                        f"lease {self._name!r} was not renewed for {self._terms.give_up} s: {error}"
                    ) from error
                continue
            if not ours:
                raise LeadershipLost(f"lease {self._name!r} is held by another replica")

    async def release(self) -> None:
        """Give the Lease back, so that the other replica need not wait for its end."""
        lease = await self._cluster.get(LEASE, self._namespace, self._name)
        if lease["spec"].get("holderIdentity") == self._identity:
            lease["spec"] = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
            await self._cluster.replace(LEASE, lease)

    def _left(self) -> float:
        return self._terms.give_up - (self._clock() - self._renewed)

    async def _renew(self) -> bool:
        """Whether the Lease is ours, dated from the request: others count from the write, which its answer follows."""
        asked = self._clock()
        if not await self._try_acquire():
            return False
        self._renewed = asked
        return True

    async def _try_acquire(self) -> bool:
        try:
            lease = await self._cluster.get(LEASE, self._namespace, self._name)
        except Missing:
            await self._cluster.create(LEASE, self._new_lease())
            return True
        if not self._may_take(lease):
            return False
        try:
            await self._cluster.replace(LEASE, self._taken(lease))
        except Conflict:
            return False
        return True

    def _may_take(self, lease: Object) -> bool:
        holder = lease["spec"].get("holderIdentity")
        if holder in (self._identity, "", None):
            return True
        version, since = self._seen
        if lease["metadata"]["resourceVersion"] != version:
            self._seen = (lease["metadata"]["resourceVersion"], self._clock())
            return False
        return self._clock() - since > float(lease["spec"].get("leaseDurationSeconds", self._terms.duration))

    def _taken(self, lease: Object) -> Object:
        before, now = lease["spec"], _micro_time()
        ours = before.get("holderIdentity") == self._identity
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(self._terms.duration),
            "renewTime": now,
            "acquireTime": before.get("acquireTime", now) if ours else now,
            "leaseTransitions": before.get("leaseTransitions", 0) + (0 if ours else 1),
        }
        return {**lease, "spec": spec}

    def _new_lease(self) -> Object:
        empty: Object = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace, "labels": {LEADER_LABEL: "leader"}},
            "spec": {},
        }
        return self._taken(empty)


def _micro_time() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

"""One suite for the cluster port: the fake in memory and the real API server must give the same answers."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import pytest
from kubernetes.aio import client, config

from cluster.control_plane import ControlPlane
from fakes.cluster import FakeCluster
from modelloop_operator.cluster.kinds import DEPLOYMENT, LEASE, MLMODEL, SERVICE, SERVICE_ACCOUNT, Kind
from modelloop_operator.cluster.kubernetes_api import KubernetesApi
from modelloop_operator.cluster.ownership import owned_digest, owns, rendered_digest
from modelloop_operator.cluster.port import Cluster, Conflict, Missing, Object, Rejected
from modelloop_operator.naming import MANAGER

Story = Callable[[Cluster], Awaitable[None]]
Change = Callable[[Object], None]
NO_SUCH = Kind("modelloop.dev/v1", "Nothing", "nothings")
"""An API that no cluster serves."""


class World(Protocol):
    """A cluster under test with a namespace of its own."""

    namespace: str

    def play(self, story: Story) -> None:
        """Run a story on it."""

    async def edit(self, kind: Kind, name: str, change: Change) -> None:
        """Change an object by hand."""


@dataclass
class FakeWorld:
    """The fake."""

    cluster: FakeCluster
    namespace: str = "shop"

    def play(self, story: Story) -> None:
        """Without a network."""
        asyncio.run(story(self.cluster))  # type: ignore[arg-type]

    async def edit(self, kind: Kind, name: str, change: Change) -> None:
        """Through the fake's own door."""
        self.cluster.edit(kind, self.namespace, name, change)


@dataclass
class RealWorld:
    """The adapter in front of a real API server."""

    plane: ControlPlane
    namespace: str

    def play(self, story: Story) -> None:
        """With a connection of its own."""
        asyncio.run(self._play(story))

    async def edit(self, kind: Kind, name: str, change: Change) -> None:
        """As another client; again when a controller came between."""
        async with await self._client() as api:
            cluster = KubernetesApi(api, "by-hand")
            while True:
                live = await cluster.get(kind, self.namespace, name)
                change(live)
                try:
                    await cluster.replace(kind, live)
                    return
                except Conflict:
                    continue

    async def _play(self, story: Story) -> None:
        async with await self._client() as api:
            await story(KubernetesApi(api, MANAGER))

    async def _client(self) -> client.ApiClient:
        configuration = client.Configuration()
        await config.load_kube_config(
            str(self.plane.kubeconfig), context=self.plane.context, client_configuration=configuration
        )
        return client.ApiClient(configuration)


@pytest.fixture(params=["fake", "real"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "fake":
        yield FakeWorld(FakeCluster())
    else:
        yield RealWorld(request.getfixturevalue("control_plane"), request.getfixturevalue("namespace"))


def account(world: World, name: str = "one", **labels: str) -> Object:
    metadata = {"name": name, "namespace": world.namespace, "labels": {"app": "test", **labels}}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "automountServiceAccountToken": False}


def service(world: World, *ports: int, name: str = "web") -> Object:
    entries = [{"name": f"p{port}", "port": port, "targetPort": "http", "protocol": "TCP"} for port in ports]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": world.namespace, "labels": {"app": "test"}},
        "spec": {"type": "ClusterIP", "selector": {"app": "test"}, "ports": entries},
    }


def deployment(world: World, *env: str, replicas: int | None = 1) -> Object:
    container = {
        "name": "main",
        "image": "localhost/none:1",
        "env": [{"name": name, "value": "x"} for name in env],
        "resources": {"requests": {"cpu": "100m"}},
    }
    spec: dict[str, Any] = {
        "selector": {"matchLabels": {"app": "test"}},
        "template": {"metadata": {"labels": {"app": "test"}}, "spec": {"containers": [container]}},
    }
    if replicas is not None:
        spec["replicas"] = replicas
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": world.namespace, "labels": {"app": "test"}},
        "spec": spec,
    }


def model(world: World, name: str = "churn", **spec: Any) -> Object:
    return {
        "apiVersion": "modelloop.dev/v1alpha1",
        "kind": "MLModel",
        "metadata": {"name": name, "namespace": world.namespace},
        "spec": {"registry": {"uri": "s3://models/churn"}, **spec},
    }


def up_to_date(live: Object, body: Object) -> bool:
    return owned_digest(live, MANAGER) == rendered_digest(body)


def test_get_of_what_is_not_there_is_missing(world: World) -> None:
    async def story(cluster: Cluster) -> None:
        with pytest.raises(Missing, match="none"):
            await cluster.get(SERVICE, world.namespace, "none")

    world.play(story)


def test_list_without_the_api_is_missing(world: World) -> None:
    async def story(cluster: Cluster) -> None:
        with pytest.raises(Missing):
            await cluster.list(NO_SUCH, world.namespace)

    world.play(story)


def test_apply_creates_and_answers_with_uid_revision_and_generation(world: World) -> None:
    async def story(cluster: Cluster) -> None:
        live = await cluster.apply(SERVICE, service(world, 80))
        assert live["metadata"]["uid"]
        assert int(live["metadata"]["resourceVersion"]) > 0
        assert up_to_date(live, service(world, 80))
        assert (await cluster.get(SERVICE, world.namespace, "web"))["metadata"]["uid"] == live["metadata"]["uid"]

    world.play(story)


def test_the_same_apply_again_changes_no_revision(world: World) -> None:
    async def story(cluster: Cluster) -> None:
        first = await cluster.apply(SERVICE, service(world, 80))
        again = await cluster.apply(SERVICE, service(world, 80))
        assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]

    world.play(story)


def test_an_applied_change_of_spec_raises_the_generation_and_one_of_labels_does_not(world: World) -> None:
    async def story(cluster: Cluster) -> None:
        body = deployment(world, "A")
        first = await cluster.apply(DEPLOYMENT, body)
        body["metadata"]["labels"] = {"app": "test", "team": "blue"}
        labelled = await cluster.apply(DEPLOYMENT, body)
        body["spec"]["replicas"] = 2
        scaled = await cluster.apply(DEPLOYMENT, body)
        generations = [live["metadata"]["generation"] for live in (first, labelled, scaled)]
        assert generations == [1, 1, 2]

    world.play(story)


def test_what_is_no_longer_applied_goes(world: World) -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.apply(DEPLOYMENT, deployment(world, "A", "B", "C"))
        live = await cluster.apply(DEPLOYMENT, deployment(world, "A", "C"))
        (container,) = live["spec"]["template"]["spec"]["containers"]
        assert [entry["name"] for entry in container["env"]] == ["A", "C"]
        assert up_to_date(live, deployment(world, "A", "C"))

    world.play(story)


@pytest.mark.parametrize("env", [("B", "A"), ("A", "X", "B"), ("X", "A", "B"), ("B", "X")], ids="-".join)
def test_list_items_stand_in_the_order_applied(world: World, env: tuple[str, ...]) -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.apply(DEPLOYMENT, deployment(world, "A", "B"))
        live = await cluster.apply(DEPLOYMENT, deployment(world, *env))
        assert up_to_date(live, deployment(world, *env))

    world.play(story)


def test_a_hand_edit_of_an_applied_field_is_seen_and_put_back(world: World) -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.apply(SERVICE, service(world, 80))
        await world.edit(SERVICE, "web", lambda live: live["spec"]["selector"].update(app="other"))
        edited = await cluster.get(SERVICE, world.namespace, "web")
        assert not up_to_date(edited, service(world, 80))
        mended = await cluster.apply(SERVICE, service(world, 80))
        assert mended["spec"]["selector"] == {"app": "test"}
        assert up_to_date(mended, service(world, 80))

    world.play(story)


def test_a_removed_item_is_seen_and_put_back(world: World) -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.apply(SERVICE, service(world, 80, 81))
        await world.edit(SERVICE, "web", lambda live: live["spec"]["ports"].pop())
        assert not up_to_date(await cluster.get(SERVICE, world.namespace, "web"), service(world, 80, 81))
        mended = await cluster.apply(SERVICE, service(world, 80, 81))
        assert [port["port"] for port in mended["spec"]["ports"]] == [80, 81]

    world.play(story)


def test_what_others_add_beside_ours_stays_and_does_not_concern_us(world: World) -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.apply(SERVICE_ACCOUNT, account(world))
        await world.edit(SERVICE_ACCOUNT, "one", lambda live: live["metadata"]["labels"].update(team="blue"))
        edited = await cluster.get(SERVICE_ACCOUNT, world.namespace, "one")
        assert up_to_date(edited, account(world))
        again = await cluster.apply(SERVICE_ACCOUNT, account(world))
        assert again["metadata"]["labels"] == {"app": "test", "team": "blue"}

    world.play(story)


def test_a_count_that_somebody_else_set_is_no_longer_ours(world: World) -> None:
    async def story(cluster: Cluster) -> None:
        live = await cluster.apply(DEPLOYMENT, deployment(world, "A", replicas=2))
        assert owns(live, MANAGER, "spec", "replicas")
        await world.edit(DEPLOYMENT, "web", lambda edited: edited["spec"].update(replicas=3))
        scaled = await cluster.get(DEPLOYMENT, world.namespace, "web")
        assert not owns(scaled, MANAGER, "spec", "replicas")
        assert up_to_date(scaled, deployment(world, "A", replicas=None))
        kept = await cluster.apply(DEPLOYMENT, deployment(world, "A", replicas=None))
        assert kept["spec"]["replicas"] == 3

    world.play(story)


def test_list_finds_by_labels_and_namespace(world: World) -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.apply(SERVICE_ACCOUNT, account(world, "one", of="a"))
        await cluster.apply(SERVICE_ACCOUNT, account(world, "two", of="b"))

        async def names(selector: str) -> list[str]:
            found = await cluster.list(SERVICE_ACCOUNT, world.namespace, selector)
            return sorted(item["metadata"]["name"] for item in found)

        assert await names("app=test") == ["one", "two"]
        assert await names("app=test,of=b") == ["two"]
        assert await names("of=c") == []
        everywhere = await cluster.list(SERVICE_ACCOUNT, None, "app=test,of=a")
        assert world.namespace in [item["metadata"]["namespace"] for item in everywhere]
        assert await cluster.list(SERVICE_ACCOUNT, "no-such-namespace", "app=test") == []

    world.play(story)


def test_create_of_a_taken_name_is_a_conflict(world: World) -> None:
    async def story(cluster: Cluster) -> None:
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "lead", "namespace": world.namespace},
            "spec": {"holderIdentity": "one", "leaseDurationSeconds": 15},
        }
        await cluster.create(LEASE, body)
        with pytest.raises(Conflict):
            await cluster.create(LEASE, body)

    world.play(story)


def test_replace_at_a_revision_that_moved_on_is_a_conflict_and_changes_nothing(world: World) -> None:
    async def story(cluster: Cluster) -> None:
        old = await cluster.apply(SERVICE_ACCOUNT, account(world))
        await world.edit(SERVICE_ACCOUNT, "one", lambda live: live["metadata"]["labels"].update(team="blue"))
        old["metadata"]["labels"]["team"] = "red"
        with pytest.raises(Conflict):
            await cluster.replace(SERVICE_ACCOUNT, old)
        live = await cluster.get(SERVICE_ACCOUNT, world.namespace, "one")
        assert live["metadata"]["labels"]["team"] == "blue"

    world.play(story)


def test_replace_of_status_changes_status_alone(world: World) -> None:
    async def story(cluster: Cluster) -> None:
        created = await cluster.create(MLMODEL, model(world))
        body = copy.deepcopy(created)
        body["spec"]["version"] = "9.9.9"
        body["status"] = {"message": "hello", "observedGeneration": 1}
        written = await cluster.replace(MLMODEL, body, "status")
        assert written["status"]["message"] == "hello"
        assert "version" not in written["spec"]
        assert written["metadata"]["generation"] == created["metadata"]["generation"]
        assert written["metadata"]["resourceVersion"] != created["metadata"]["resourceVersion"]
        with pytest.raises(Conflict):
            await cluster.replace(MLMODEL, {**body, "status": {"message": "late"}}, "status")

    world.play(story)


def test_a_status_that_names_a_version_twice_is_rejected(world: World) -> None:
    async def story(cluster: Cluster) -> None:
        created = await cluster.create(MLMODEL, model(world))
        failed = {"version": "1.0.0", "reason": "Broken", "at": "2026-03-01T12:00:00Z"}
        with pytest.raises(Rejected, match="Duplicate value"):
            await cluster.replace(MLMODEL, {**created, "status": {"failedVersions": [failed, failed]}}, "status")

    world.play(story)


def test_delete_takes_exactly_the_object_with_that_uid(world: World) -> None:
    async def story(cluster: Cluster) -> None:
        live = await cluster.apply(SERVICE_ACCOUNT, account(world))
        await cluster.delete(SERVICE_ACCOUNT, world.namespace, "one", "00000000-0000-0000-0000-000000000000")
        assert await cluster.get(SERVICE_ACCOUNT, world.namespace, "one")
        await cluster.delete(SERVICE_ACCOUNT, world.namespace, "one", live["metadata"]["uid"])
        with pytest.raises(Missing):
            await cluster.get(SERVICE_ACCOUNT, world.namespace, "one")
        await cluster.delete(SERVICE_ACCOUNT, world.namespace, "one", live["metadata"]["uid"])

    world.play(story)


def test_an_object_with_a_finalizer_stays_in_deletion(world: World) -> None:
    async def story(cluster: Cluster) -> None:
        body = account(world)
        body["metadata"]["finalizers"] = ["modelloop.dev/test"]
        live = await cluster.create(SERVICE_ACCOUNT, body)
        await cluster.delete(SERVICE_ACCOUNT, world.namespace, "one", live["metadata"]["uid"])
        held = await cluster.get(SERVICE_ACCOUNT, world.namespace, "one")
        assert held["metadata"]["deletionTimestamp"]
        if isinstance(world, RealWorld):
            await world.edit(SERVICE_ACCOUNT, "one", lambda found: found["metadata"].pop("finalizers"))

    world.play(story)


def test_a_new_object_of_an_old_name_has_another_uid_and_a_later_revision(world: World) -> None:
    async def story(cluster: Cluster) -> None:
        first = await cluster.apply(SERVICE_ACCOUNT, account(world))
        await cluster.delete(SERVICE_ACCOUNT, world.namespace, "one", first["metadata"]["uid"])
        second = await cluster.apply(SERVICE_ACCOUNT, account(world))
        assert second["metadata"]["uid"] != first["metadata"]["uid"]
        assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])

    world.play(story)

"""What hack.cluster asks of kind, Docker, kubectl and helm; stand-ins write down how they were called.

No Docker runs where this project is developed: these tests hold the calls, not what kind makes of them.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from hack.cluster import backends, kind_store, object_store, owner
from hack.cluster.gateway import NODE_PORT
from hack.cluster.kind import Kind
from hack.cluster.owner import Claim, Owner
from hack.cluster.profiles import KIND, ROOT, ClusterError, Home

from support.cluster_home import FolderHome, node_profile

# Of the loopback's many addresses one that nothing else uses.
ADDRESS = "127.30.0.80"
PROGRAM = """#!/bin/sh
echo "$(basename "$0") $*" >> {folder}/calls
echo "$DOCKER_BUILDKIT" > {folder}/buildkit.$(basename "$0")
case "$*" in
  *"-f -"*) cat > {folder}/stdin.$(ls {folder} | wc -l) ;;
  "get clusters") cat {folder}/clusters ;;
  status*) exit 1 ;;
  *"get gateway"*) echo '{{"status": {{"conditions": [{{"type": "Programmed", "status": "True"}}]}}}}' ;;
esac
"""


class Machine:
    """A machine with Docker, as far as the stand-ins show it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "clusters").touch()

    def install(self, *programs: str) -> None:
        """Put stand-ins on the PATH."""
        for program in programs:
            path = self._folder / "bin" / program
            path.parent.mkdir(exist_ok=True)
            path.write_text(PROGRAM.format(folder=self._folder))
            path.chmod(0o755)

    def has_cluster(self) -> None:
        """As after a `kind create cluster`."""
        (self._folder / "clusters").write_text("modelloop\n")

    def calls(self, *programs: str) -> list[str]:
        """Command lines of these programs, this repository's folder left out."""
        lines = (self._folder / "calls").read_text().replace(f"{ROOT}", ".").splitlines()
        return [line for line in lines if line.split()[0] in programs]

    def docker_used_buildkit(self) -> bool:
        """In its last call."""
        return (self._folder / "buildkit.docker").read_text() == "1\n"

    def applied(self) -> dict[tuple[str, str], Any]:
        """What was given to kubectl, by kind and name."""
        texts = [path.read_text() for path in sorted(self._folder.glob("stdin.*"))]
        found = [one for text in texts for one in yaml.safe_load_all(text) if one and "kind" in one]
        return {(one["kind"], one["metadata"]["name"]): one for one in found}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine(tmp_path)
    found.install("kind", "docker", "kubectl", "helm")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return found


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    found = FolderHome("kind", tmp_path)
    yield found
    owner.dismiss_watcher(found)


@pytest.fixture
def kind(machine: Machine, home: Home) -> Iterator[Kind]:
    """With a gateway and an object store that answer."""
    with ExitStack() as servers:
        for port in (NODE_PORT, kind_store.NODE_PORT):
            server = servers.enter_context(ThreadingHTTPServer((ADDRESS, port), BaseHTTPRequestHandler))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            servers.callback(server.shutdown)
        yield Kind(home, ADDRESS)


def test_the_cluster_is_created_by_the_config_of_this_repository(kind: Kind, machine: Machine, home: Home) -> None:
    kind.up()
    assert machine.calls("kind", "docker") == [
        "kind get clusters",
        f"kind create cluster --config ./kind-config.yaml --kubeconfig {home.kubeconfig} --wait 120s",
    ]


def test_a_cluster_that_is_there_is_started_and_not_created(kind: Kind, machine: Machine, home: Home) -> None:
    machine.has_cluster()
    kind.up()
    assert machine.calls("kind", "docker") == [
        "kind get clusters",
        "docker start modelloop-control-plane",
        f"kind export kubeconfig --name modelloop --kubeconfig {home.kubeconfig}",
    ]


def test_it_gets_what_the_node_profile_has(kind: Kind, machine: Machine) -> None:
    kind.up()
    assert any("upgrade --install eg" in call for call in machine.calls("helm"))
    applied = machine.applied()
    for thing in ("Gateway", "modelloop"), ("Deployment", "metrics-server"), ("Deployment", "object-store"):
        assert thing in applied


def test_its_pods_name_no_image_of_this_machine(kind: Kind, machine: Machine) -> None:
    kind.up()
    assert "localhost/" not in json.dumps(list(machine.applied().values()))


def test_its_object_store_has_the_keys_of_its_environment(kind: Kind, machine: Machine, home: Home) -> None:
    kind.up()
    home.kubeconfig.touch()
    keys = machine.applied()["Secret", "object-store"]["stringData"]
    told = kind.environment()
    assert keys == {
        "ROOT_ACCESS_KEY_ID": told["AWS_ACCESS_KEY_ID"],
        "ROOT_SECRET_ACCESS_KEY": told["AWS_SECRET_ACCESS_KEY"],
    }


def test_its_object_store_makes_the_bucket_of_its_environment(kind: Kind, machine: Machine) -> None:
    kind.up()
    container = machine.applied()["Deployment", "object-store"]["spec"]["template"]["spec"]["containers"][0]
    assert container["args"] == [object_store.BUCKET, object_store.REGION]


@pytest.mark.parametrize("port", [NODE_PORT, kind_store.NODE_PORT])
def test_kind_maps_each_port_of_the_environment(port: int) -> None:
    config = yaml.safe_load((ROOT / "kind-config.yaml").read_text())
    mappings = config["nodes"][0]["extraPortMappings"]
    mapping = {"containerPort": port, "hostPort": port, "listenAddress": "127.0.0.1", "protocol": "TCP"}
    assert mapping in mappings


def test_its_environment_has_all_that_the_node_profile_s_has(home: Home, tmp_path: Path) -> None:
    """But for the folder of our own kubectl and helm: with kind they are the machine's."""
    node = node_profile(tmp_path / "node")
    for path in node.kubeconfig, home.kubeconfig:
        path.parent.mkdir(parents=True)
        path.touch()
    assert {*Kind(home).environment(), "MODELLOOP_BIN"} == {*backends.Local(node).environment()}


def test_images_are_built_by_buildkit_and_loaded(kind: Kind, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://wheels.example.com/cpu")
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    kind.images()
    assert machine.calls("kind", "docker") == [
        call
        for target in ("control", "runtime")
        for call in (
            f"docker build --target {target} --tag localhost/modelloop/{target}:dev"
            " --build-arg PIP_EXTRA_INDEX_URL=https://wheels.example.com/cpu .",
            f"kind load docker-image localhost/modelloop/{target}:dev --name modelloop",
        )
    ]
    assert machine.docker_used_buildkit()


def test_down_deletes_the_cluster_and_its_files(kind: Kind, machine: Machine, home: Home) -> None:
    kind.up()
    kind.down()
    assert machine.calls("kind")[-1] == f"kind delete cluster --name modelloop --kubeconfig {home.kubeconfig}"
    assert not home.state.exists()


def test_a_cluster_with_an_owner_ends_with_it_alone(kind: Kind, machine: Machine, home: Home) -> None:
    mine, another = Owner.of(os.getpid()), Owner.of(os.getppid())
    kind.up(mine)
    assert owner.read(home) == Claim(mine)
    kind.down(another)
    assert not any("delete" in call for call in machine.calls("kind"))
    kind.down(mine)
    assert any("delete" in call for call in machine.calls("kind"))


def test_the_watcher_of_a_kind_cluster_takes_down_by_kind() -> None:
    assert isinstance(backends.of(KIND), Kind)


def test_a_missing_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Machine(tmp_path).install("kind", "helm")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(ClusterError, match="kind needs kubectl on the PATH"):
        Kind(FolderHome("kind", tmp_path)).up()

"""A run of all layers says of each what became of it, and passes only when all of it did."""

from __future__ import annotations

from dataclasses import dataclass, field

from hack.checks.layers import Layer, Result, run_all, take_down

LINT = Layer("lint", ("lint",))
IMAGES = Layer("images", ("images",), cluster="node")
E2E = Layer("e2e", ("e2e",), cluster="node", after="images")


@dataclass
class Machine:
    """A machine on which some things cannot be, and some fail."""

    missing: dict[str, str] = field(default_factory=dict)
    dead: dict[str, str] = field(default_factory=dict)
    stuck: dict[str, str] = field(default_factory=dict)
    failing: tuple[str, ...] = ()
    ran: list[str] = field(default_factory=list)

    def obstacle(self, cluster: str) -> str:
        return self.missing.get(cluster, "")

    def up(self, cluster: str) -> str:
        return self.dead.get(cluster, "")

    def run(self, command: tuple[str, ...]) -> int:
        self.ran.extend(command)
        return 2 if command[0] in self.failing else 0

    def down(self, cluster: str) -> str:
        return self.stuck.get(cluster, "")


def _told(machine: Machine, *layers: Layer) -> list[str]:
    return [f"{result.outcome} {result.name}: {result.detail}" for result in run_all(layers, machine)]


def test_each_layer_that_passes_is_told_with_its_seconds() -> None:
    assert _told(Machine(), LINT, IMAGES, E2E) == ["ran lint: 0 s", "ran images: 0 s", "ran e2e: 0 s"]


def test_a_failing_layer_does_not_keep_others_from_running() -> None:
    machine = Machine(failing=("lint",))
    assert _told(machine, LINT, IMAGES) == ["FAILED lint: exit code 2 after 0 s", "ran images: 0 s"]


def test_end_to_end_tests_do_not_run_on_old_images() -> None:
    machine = Machine(failing=("images",))
    told = _told(machine, IMAGES, E2E)
    assert told == ["FAILED images: exit code 2 after 0 s", "NOT RUN e2e: images did not pass"]
    assert machine.ran == ["images"]


def test_a_machine_that_cannot_hold_the_cluster_says_what_it_needs() -> None:
    machine = Machine(missing={"node": "needs root"})
    assert _told(machine, IMAGES, E2E) == ["CANNOT images: needs root", "CANNOT e2e: needs root"]
    assert machine.ran == []


def test_a_cluster_that_does_not_come_up_fails_its_layer_with_the_reason() -> None:
    machine = Machine(dead={"node": "etcd ended"})
    assert _told(machine, IMAGES) == ["FAILED images: its cluster did not come up: etcd ended"]


def test_a_cluster_that_cannot_be_taken_down_fails_the_run_with_the_reason() -> None:
    machine = Machine(stuck={"node": "left behind: mount /x"})
    assert take_down([LINT, IMAGES, E2E], machine) == [Result("FAILED", "down node", "left behind: mount /x")]


def test_only_what_ran_and_passed_is_good() -> None:
    outcomes = {word: Result(word, "e2e", "").good for word in ("ran", "FAILED", "CANNOT", "NOT RUN")}
    assert outcomes == {"ran": True, "FAILED": False, "CANNOT": False, "NOT RUN": False}

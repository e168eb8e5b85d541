"""What is run, on what, after what; and the sentence about each that stands at the end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Layer:
    """One command, the cluster that it needs, and the layer without which it would test something else."""

    name: str
    command: tuple[str, ...]
    cluster: str = ""
    after: str = ""


@dataclass(frozen=True)
class Result:
    """What became of a layer."""

    outcome: str
    name: str
    detail: str

    @property
    def good(self) -> bool:
        """Whether it ran and passed."""
        return self.outcome == "ran"

    def __str__(self) -> str:
        return f"{self.outcome:8}{self.name}: {self.detail}"


class Machine(Protocol):
    """What the layers run on."""

    def obstacle(self, cluster: str) -> str:
        """Why there can be no such cluster here; empty when there can."""

    def up(self, cluster: str) -> str:
        """Bring it up, or find it up; why that failed, else empty."""

    def run(self, command: tuple[str, ...]) -> int:
        """Exit code of a command whose output a person reads."""

    def down(self, cluster: str) -> str:
        """Take it down if `up` brought it up; why that failed, else empty."""


def run_all(layers: Iterable[Layer], machine: Machine) -> Iterator[Result]:
    """Every layer in turn, each result as soon as it is known."""
    results: dict[str, Result] = {}
    for layer in layers:
        results[layer.name] = _run(layer, results, machine)
        yield results[layer.name]


def take_down(layers: Iterable[Layer], machine: Machine) -> list[Result]:
    """Take down what was brought up for the layers; says what could not be."""
    clusters = sorted({layer.cluster for layer in layers if layer.cluster})
    reasons = {cluster: machine.down(cluster) for cluster in clusters}
    return [Result("FAILED", f"down {cluster}", reason) for cluster, reason in reasons.items() if reason]


def _run(layer: Layer, results: dict[str, Result], machine: Machine) -> Result:
    started = time.monotonic()
    print(f"\n=== {layer.name}", flush=True)
    if layer.cluster and (obstacle := machine.obstacle(layer.cluster)):
        return Result("CANNOT", layer.name, obstacle)
    if layer.after and not results[layer.after].good:
        return Result("NOT RUN", layer.name, f"{layer.after} did not pass")
    if layer.cluster and (reason := machine.up(layer.cluster)):
        return Result("FAILED", layer.name, f"its cluster did not come up: {reason}")
    code = machine.run(layer.command)
    took = f"{time.monotonic() - started:.0f} s"
    return Result("FAILED", layer.name, f"exit code {code} after {took}") if code else Result("ran", layer.name, took)

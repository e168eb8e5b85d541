"""Runs the plan: each server alone for its start and memory, then all of them in turn, round after round."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.online.generator import drive, write_requests
from bench.online.plan import MONITOR_URL, Contender, Load, inherited
from bench.online.pool import NoSuchRoute, Pool, WrongAnswer
from bench.online.process import NotStarted, Server
from bench.online.receiver import receiving
from bench.online.results import Results

STARTS = 3
IMPORT_TORCH = "import time; began = time.perf_counter(); import torch; print(time.perf_counter() - began)"
STARTED_ALONE = (
    "modelloop torch", "modelloop onnx", "FastAPI tuned", "mosec torch", "mosec onnx", "KServe torch",
    "uvicorn constant", "nginx constant",
)  # fmt: skip
STARTED_ONCE = ("mosec torch", "mosec onnx", "KServe torch", "uvicorn constant", "nginx constant")


@dataclass(frozen=True)
class Bench:
    """One run: servers on `server_core`, load from `load_core`, nothing new begun after `deadline`."""

    folder: Path
    contenders: tuple[Contender, ...]
    rounds: int
    seconds: int
    deadline: float
    load_core: int
    server_core: int

    def run(self) -> Results:
        """Everything, in the order that keeps memory honest: starts alone first."""
        results, pool = Results(), self._prepare()
        self._starts(pool, results)
        with ExitStack() as running:
            (self.folder / MONITOR_URL).write_text(running.enter_context(receiving()))
            servers = dict(self._all(running, pool, results))
            lanes = list(self._lanes(servers, pool, results))
            self._rounds(lanes, results)
        return results

    def _prepare(self) -> Pool:
        say("writing models, registries and requests")
        subprocess.run([sys.executable, "-m", "bench.online.models", self.folder], check=True, env=inherited())
        return Pool.read(self.folder / "pool.npz")

    def _starts(self, pool: Pool, results: Results) -> None:
        alone = [contender for contender in self.contenders if contender.name in STARTED_ALONE]
        for number in range(min(STARTS, self.rounds)):
            say(f"starts alone, {number + 1} of {min(STARTS, self.rounds)}")
            results.import_torch_seconds.append(self._import_torch())
            for contender in alone:
                if number == 0 or contender.name not in STARTED_ONCE:
                    self._start(contender, pool, results)

    def _start(self, contender: Contender, pool: Pool, results: Results) -> None:
        load = contender.loads[0]
        requests = write_requests(self.folder / "alone", pool.requests(load))
        try:
            with self._server(contender, pool) as server:
                results.cold_seconds.setdefault(contender.name, []).append(server.cold_seconds)
                if contender.name not in results.memory_mib:
                    drive(server, Load(load.wire, load.rows, 16), requests, core=self.load_core, seconds=1)
                    results.memory_mib[contender.name] = server.memory_mib()
        except NotStarted as error:
            say(f"{contender.name} does not start: {error}")

    def _import_torch(self) -> float:
        command = ["taskset", "-c", str(self.server_core), sys.executable, "-c", IMPORT_TORCH]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def _all(self, running: ExitStack, pool: Pool, results: Results) -> Iterator[tuple[str, Server]]:
        say(f"starting {len(self.contenders)} servers")
        for contender in self.contenders:
            try:
                yield contender.name, running.enter_context(self._server(contender, pool))
            except NotStarted as error:
                say(f"{contender.name} does not start: {error}")
                note = f"does not start: {str(error).splitlines()[0]}"
                results.missing |= {(contender.name, load): note for load in contender.loads}

    def _server(self, contender: Contender, pool: Pool) -> Server:
        scratch = self.folder / contender.name.replace(" ", "-").replace(",", "")
        return Server(contender, self.server_core, self.folder, scratch, pool.first_request(contender))

    def _lanes(self, servers: dict[str, Server], pool: Pool, results: Results) -> Iterator[tuple[Server, Load, Path]]:
        """What can be driven, each load checked to bring right answers and then warmed up, in the order of a round."""
        order = [(load, server) for server in servers.values() for load in server.contender.loads]
        for number, (load, server) in enumerate(sorted(order, key=lambda pair: _by_load(pair[0]))):
            try:
                pool.check(server, load)
            except (NoSuchRoute, WrongAnswer, OSError) as error:
                say(f"{server.name}, {load}: {error}")
                results.missing[server.name, load] = str(error)
                continue
            requests = write_requests(self.folder / f"requests-{number}", pool.requests(load))
            drive(server, load, requests, core=self.load_core, seconds=1)
            yield server, load, requests

    def _rounds(self, lanes: list[tuple[Server, Load, Path]], results: Results) -> None:
        took = 0.0
        for number in range(self.rounds):
            began = time.monotonic()
            if began + took > self.deadline:
                say(f"stopping after {number} of {self.rounds} rounds: the time is over")
                return
            say(f"round {number + 1} of {self.rounds}: {len(lanes)} stretches of {self.seconds} s")
            for server, load, requests in lanes:
                stretch = drive(server, load, requests, core=self.load_core, seconds=self.seconds)
                results.stretches.setdefault((server.name, load), []).append(stretch)
            took = time.monotonic() - began


def _by_load(load: Load) -> tuple[int, int, str]:
    """Servers of one load stand side by side in a round: their ratio is what counts, and the machine drifts."""
    return load.rows, load.connections, "V2 JSON" if load.wire == "V1" else load.wire


def say(text: str) -> None:
    """One line of progress."""
    print(f"bench-online: {text}", flush=True)

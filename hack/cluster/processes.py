"""Servers as plain processes: each in its own session, with a pid file that proves who it is."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .profiles import ClusterError, Home
from .shell import say, wait_until, write

# In the environment of all that one run of hack.checks started, and that ends with it.
RUN_MARK = "HACK_CHECKS_RUN"


@dataclass(frozen=True)
class Server:
    """One long-running program and the question that tells whether it serves."""

    name: str
    command: tuple[str, ...]
    ready: Callable[[], bool]
    deadline: float = 60
    # Secrets go here: every user of a machine can read a command line.
    environment: tuple[tuple[str, str], ...] = ()


def _pid_file(home: Home, name: str) -> Path:
    return home.run / "pids" / f"{name}.json"


def started_at(pid: int) -> str | None:
    """The start time of a live process in clock ticks; with its pid it names one process, reused pids differ."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def running(home: Home, name: str) -> int | None:
    """The pid of a server that is alive and really is the program we started."""
    try:
        record = json.loads(_pid_file(home, name).read_text())
        command = Path(f"/proc/{record['pid']}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    same = started_at(record["pid"]) == record["started"] and command.decode().split("\0")[:-1] == record["command"]
    return int(record["pid"]) if same else None


def known(home: Home) -> list[str]:
    """Names of the servers that have a pid file, dead or alive."""
    return sorted(path.stem for path in (home.run / "pids").glob("*.json"))


def log_tail(home: Home, name: str, lines: int = 15) -> str:
    """The end of a server's log, for error messages."""
    path = home.logs / f"{name}.log"
    text = path.read_text(errors="replace").splitlines()[-lines:] if path.exists() else []
    return "\n".join([f"last lines of {path}:", *text])


def launch(home: Home, name: str, command: tuple[str, ...], environment: dict[str, str]) -> int:
    """Start in a session of its own, so that neither our end nor a terminal's Ctrl-C reaches it."""
    home.logs.mkdir(parents=True, exist_ok=True)
    with (home.logs / f"{name}.log").open("ab") as log:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=home.state,
            # A server belongs to its cluster, not to the run that happened to start it.
            env={**os.environ, RUN_MARK: "", **environment},
        )  # fmt: skip
    record = {"pid": child.pid, "started": started_at(child.pid), "command": list(command), "environment": environment}
    write(_pid_file(home, name), json.dumps(record), 0o600)
    return child.pid


def ensure(home: Home, server: Server) -> None:
    """Leave the server running with this very command and ready; a crashed or changed one is replaced."""
    pid = running(home, server.name)
    if pid is not None and recorded(home, server.name) != (server.command, dict(server.environment)):
        stop(home, server.name)
        pid = None
    if pid is None:
        pid = launch(home, server.name, server.command, dict(server.environment))
    born = started_at(pid)

    def serves() -> bool:
        if born is None or started_at(pid) != born:
            raise ClusterError(f"{server.name} ended while starting\n{log_tail(home, server.name)}")
        return server.ready()

    took = wait_until(f"{server.name} ready", serves, server.deadline, lambda: log_tail(home, server.name))
    say(f"  {server.name} ready ({took:.1f} s)")


def recorded(home: Home, name: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """Command and environment a server was last started with; raises ClusterError when it never was."""
    try:
        record = json.loads(_pid_file(home, name).read_text())
        return tuple(record["command"]), dict(record["environment"])
    except (OSError, ValueError, KeyError) as error:
        raise ClusterError(f"no server {name!r} in profile {home.name!r}; known: {known(home)}") from error


def stop(home: Home, name: str, patience: float = 10) -> bool:
    """SIGTERM, then SIGKILL; returns whether there was something to stop. The pid file stays for `start`."""
    pid = running(home, name)
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    try:
        wait_until(f"end of {name}", lambda: running(home, name) is None, patience)
    except ClusterError:
        say(f"  {name} still there {patience:.0f} s after SIGTERM: killing it")
        os.kill(pid, signal.SIGKILL)
        wait_until(f"end of {name}", lambda: running(home, name) is None, 10)
    return True


def forget(home: Home, name: str) -> None:
    """Remove the pid file of a server that is gone for good."""
    _pid_file(home, name).unlink(missing_ok=True)

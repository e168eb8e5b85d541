"""This machine: commands in the foreground, clusters by hack.cluster, owned by this run."""

from __future__ import annotations

import subprocess

from hack.cluster import backends
from hack.cluster.owner import Owner
from hack.cluster.profiles import PROFILES, ClusterError


class Here:
    """The machine that this runs on; the clusters that it brings up end with `run`."""

    def __init__(self, run: Owner) -> None:
        self._run = run

    def obstacle(self, cluster: str) -> str:
        """By what the chosen kind of cluster needs."""
        return backends.obstacle(PROFILES[cluster])

    def up(self, cluster: str) -> str:
        """Also when it is there: this heals one of which a server died."""
        try:
            backends.choose(PROFILES[cluster]).up(self._run)
        except ClusterError as error:
            return str(error)
        return ""

    def run(self, command: tuple[str, ...]) -> int:
        """Its output goes where ours goes."""
        # Not `run`: that kills a command whose wait is interrupted, and tests could not clear up after themselves.
        return subprocess.Popen(command).wait()

    def down(self, cluster: str) -> str:
        """Only if it is this run's."""
        try:
            backends.choose(PROFILES[cluster]).down(self._run)
        except ClusterError as error:
            return str(error)
        return ""

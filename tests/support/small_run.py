"""A run of hack.checks in small: a command that starts programs and a cluster's server, and says so."""

from __future__ import annotations

import subprocess
import sys

from hack.checks import belongings
from hack.checks.guard import guarded
from hack.cluster.processes import RUN_MARK

# One program as pytest starts some, with nothing in its environment, and one as hack.cluster starts servers.
_COMMAND = f"""
import os, subprocess
subprocess.Popen(["sleep", "600"], env={{}})
server = subprocess.Popen(["sleep", "600"], env={{**os.environ, "{RUN_MARK}": ""}}, start_new_session=True)
os.write(1, f"{{os.environ['{RUN_MARK}']}} {{os.getppid()}} {{server.pid}}\\n".encode())
subprocess.run(["sleep", "600"])
"""


def main(around: int) -> None:
    """Wait for the command to end, as a run does; `around` is whose end is ours, too."""
    with guarded(belongings.new_mark(), around):
        subprocess.run([sys.executable, "-c", _COMMAND], start_new_session=True, check=False)


if __name__ == "__main__":
    main(int(sys.argv[1]))

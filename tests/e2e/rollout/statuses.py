"""Every status that the MLModels of a namespace ever had, as a watch brings them: none between two looks is missed."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from e2e.install.installation import Installation

# Not a tab: kubectl turns tabs into columns.
_LINES = 'jsonpath={.metadata.name}{"|"}{.status}{"\\n"}'


@dataclass(frozen=True)
class Look:
    """A status, and when it was heard of by the wall clock."""

    at: float
    status: dict[str, Any]


class Statuses:
    """Begin with `start`, end with `stop`; a watch that breaks, as when the API server goes, is begun again."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._looks: dict[str, list[Look]] = defaultdict(list)
        self._stopped = threading.Event()
        self._watch: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def start(self) -> None:
        """Listen from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        self._stopped.set()
        if self._watch is not None:
            self._watch.kill()
        self._thread.join(timeout=10)

    def of(self, name: str) -> list[Look]:
        """All that were heard of, oldest first."""
        return list(self._looks[name])

    def _follow(self) -> None:
        while not self._stopped.is_set():
            self._watch = self._installation.machine.watch("mlmodels", "-n", self._installation.namespace, "-o", _LINES)
            if self._watch.stdout is not None:
                for line in self._watch.stdout:
                    self._take(line)
            self._watch.wait()
            self._stopped.wait(0.5)

    def _take(self, line: str) -> None:
        name, _, status = line.partition("|")
        if status.strip():
            self._looks[name].append(Look(time.time(), json.loads(status)))

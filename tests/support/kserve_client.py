"""KServe's client library in an environment of its own below .cache, made when it is missing or its pins changed."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
PINS = ROOT / "requirements" / "kserve.txt"
HOME = ROOT / ".cache" / "kserve-client"
DRIVER = Path(__file__).parent / "kserve_driver.py"


def client_python() -> Path:
    """The interpreter that has KServe's client; installs it where it is not, which takes a minute or two."""
    HOME.parent.mkdir(exist_ok=True)
    made_of = HOME / "made-of.txt"
    with HOME.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made_of.exists() or made_of.read_text() != PINS.read_text():
            subprocess.run([sys.executable, "-m", "venv", "--clear", HOME], check=True)
            pip = [HOME / "bin" / "python", "-m", "pip", "install", "--quiet", "--progress-bar", "off"]
            subprocess.run([*pip, "--requirement", PINS], check=True)
            # Last, so that an installation that was stopped is made anew.
            made_of.write_text(PINS.read_text())
    return HOME / "bin" / "python"


class KServeClient:
    """One process with KServe's client, which is asked again and again: it takes seconds to start."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [client_python(), DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *exception: object) -> None:
        # The end of its orders is the end of the process.
        self._process.communicate(timeout=60)

    def ask(self, kind: str, address: str, **request: Any) -> dict[str, Any]:
        """What KServe's client makes of one request; `kind` is `rest` or `grpc`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"kind": kind, "address": address, **request}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"KServe's client ended with {self._process.wait(60)}"
        answer: dict[str, Any] = json.loads(line)
        assert "failed" not in answer, answer["failed"]
        return answer

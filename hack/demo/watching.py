"""What a person sees who looks on: `kubectl mlmodel watch`, line by line, as a rollout goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from hack.demo.model import NAME, NAMESPACE, Model
from hack.demo.screen import Screen

_PROGRAM = Path(sys.executable).with_name("kubectl-mlmodel")
_PATIENCE_SECONDS = 10.0


@contextmanager
def watched(model: Model, screen: Screen) -> Iterator[None]:
    """While inside, what the program prints is said; what the demo itself waits for is not, as that says it all."""
    words = ["watch", NAME, "-n", NAMESPACE]
    screen.say(f"$ kubectl mlmodel {' '.join(words)}")
    program = subprocess.Popen(
        [str(_PROGRAM), *words, "--context", model.cluster["MODELLOOP_CONTEXT"]],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **model.cluster.environment, "PYTHONUNBUFFERED": "1"},
    )
    reader = Thread(target=_relay, args=(program, screen), daemon=True)
    reader.start()
    screen.watching = True
    try:
        yield
    finally:
        screen.watching = False
        # As a person ends it.
        program.send_signal(signal.SIGINT)
        reader.join(_PATIENCE_SECONDS)
        program.kill()
        program.wait()


def _relay(program: subprocess.Popen[str], screen: Screen) -> None:
    for line in program.stdout or ():
        screen.say(f"  {line.rstrip()}")

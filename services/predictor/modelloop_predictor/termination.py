"""Why the process ends, told to the kubelet."""

from __future__ import annotations

import json
import os


def write_termination_log(path: str, reason: str, message: str) -> None:
    """Leave one line of JSON where the kubelet reads it; where there is no such file, say nothing."""
    line = json.dumps({"reason": reason, "message": message}) + "\n"
    try:
        # Without O_CREAT: the kubelet makes the file, and outside a pod none should appear.
        descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC)
    except OSError:
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(line)

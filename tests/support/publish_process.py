"""A process that publishes version 1.0.0 when it is told to: `python publish_process.py URI NAME`."""

from __future__ import annotations

import os
import sys

from modelloop_core.registry import Registry
from modelloop_core.registry_errors import VersionTaken
from modelloop_core.storage.open import open_store
from support.versions import a_version


def main(uri: str, name: str) -> None:
    """Wait for a line on standard input, publish, and print `won` or `told`."""
    store = open_store(uri, endpoint=os.environ.get("AWS_ENDPOINT_URL_S3"))
    print("ready", flush=True)  # noqa: T201 - the other process reads it
    sys.stdin.readline()
    try:
        Registry(store).publish(*a_version(weights=name.encode() * 100_000))
    except VersionTaken:
        print("told")  # noqa: T201
    else:
        print("won")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Some shards of a run by one thread: `python -m bench.batch.pod FOLDER ROWS OUTPUT SHARD…`, as a Job's pod has them.

Prints when it began to score and when it ended, by a clock that all processes share.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from modelloop_batch.asked import Asked
from modelloop_batch.inputs import open_source
from modelloop_batch.model import load_version
from modelloop_batch.output import Output
from modelloop_batch.run import Run
from modelloop_core.registry import Registry, utc_now
from modelloop_core.storage.open import open_store
from modelloop_core.versions import Version


def main(folder: Path, rows: str, output: Path, shards: list[int]) -> None:
    """Score the shards."""
    registry = Registry(open_store(str(folder / "torch" / "registry")))
    version = load_version(registry, Version(1, 0, 0), output / f"cache-{shards[0]}", device="cpu")
    source, store = open_source(str(folder / rows), open_store), Output(str(output), open_store(str(output)))
    run = Run(Asked(date="2026-01-01", shards=4, threads=1), source, store, version, now=utc_now)
    begun = time.monotonic()
    run.score(shards)
    sys.stdout.write(json.dumps({"begun": begun, "ended": time.monotonic()}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), list(map(int, sys.argv[4:])))

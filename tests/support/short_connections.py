"""A gRPC server whose connections last for moments, in its own process: of a protocol no two copies fit in one."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


@contextmanager
def short_lived_connections(folder: Path) -> Iterator[int]:
    """Serve the version in `folder`'s registry; the port."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")))}
    command = [sys.executable, "-m", "support.short_connections", str(folder)]
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


async def _serve(folder: Path) -> None:
    from modelloop_predictor.v2.grpc_server import GrpcServer
    from support.predictor_inside import Predictor, settings_for

    with Predictor(settings_for(folder, read_seconds=0.2, timeout_seconds=0.5)) as predictor:
        failure = await asyncio.to_thread(predictor.load, folder / "registry")
        assert failure is None
        server = GrpcServer(predictor.serving, connection_seconds=0.3)
        print(await server.start("127.0.0.1", 0), flush=True)  # noqa: T201 how the other process hears of it
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))

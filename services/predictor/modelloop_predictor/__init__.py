"""The predictor: serves one version of a model over HTTP."""

from __future__ import annotations

from modelloop_core.wire.environment import PredictorEnvironment


def serve(environment: PredictorEnvironment, host: str = "127.0.0.1", port: int | None = None) -> int:
    """Serve as a pod does, until asked to stop; the exit code is 0, or 78 when the version can never be served."""
    from modelloop_predictor.server import serve as run

    return run(environment, host, port)

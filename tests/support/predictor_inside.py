"""A predictor inside the test's process: its application asked without a socket, its loader run to the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, Protocol, Self

import httpx
from prometheus_client import CollectorRegistry

from modelloop_core.feature_schema import Output
from modelloop_core.registry import Registry
from modelloop_core.storage.directory import DirectoryStore
from modelloop_core.wire.environment import PredictorEnvironment
from modelloop_predictor.app import create_app
from modelloop_predictor.failures import Failure
from modelloop_predictor.loader import Loader
from modelloop_predictor.metrics import Metrics
from modelloop_predictor.model_thread import ModelThread
from modelloop_predictor.serving import Serving


class Predictor:
    """Asks one application; every call is a whole request."""

    def __init__(self, settings: PredictorEnvironment, thread: ModelThread | None = None) -> None:
        self.metrics = CollectorRegistry()
        thread = thread or ModelThread()
        self.serving = Serving(settings, Metrics(self.metrics), thread)
        thread.start()
        self.app = create_app(self.serving)
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://predictor")
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._runner.close()

    def load(self, registry: Path) -> Failure | None:
        """Run the loader over a folder registry; what ended it, or None when the version answers."""
        failures: list[Failure] = []
        source = Registry(DirectoryStore(registry))
        Loader(self.serving, lambda: source, wait=lambda _: True, on_failure=failures.append).run()
        return failures[0] if failures else None

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request."""
        return self.ask_all([(method, path, options)])[0]

    def predict(self, body: Any, **headers: str) -> httpx.Response:
        """POST a body as JSON."""
        headers = {"content-type": "application/json", **headers}
        return self.ask("POST", "/predict", content=json.dumps(body), headers=headers)

    def ask_all(self, requests: Iterable[tuple[str, str, dict[str, Any]]]) -> list[httpx.Response]:
        """Several requests at the same time."""
        return self._runner.run(self._ask_all(list(requests)))

    async def _ask_all(self, requests: list[tuple[str, str, dict[str, Any]]]) -> list[httpx.Response]:
        calls = (self._client.request(method, path, **options) for method, path, options in requests)
        return await asyncio.gather(*calls)

    def metric(self, name: str, **labels: str) -> float:
        """A metric's value, 0 when it was never touched."""
        return self.metrics.get_sample_value(f"modelloop_predictor_{name}", labels) or 0.0


class Start(Protocol):
    """Starts a predictor for a module over two numbers."""

    def __call__(self, model: Any, output: Output | None = None, **changes: object) -> Predictor: ...


def settings_for(folder: Path, **changes: object) -> PredictorEnvironment:
    """Settings of a predictor over the registry in `folder`, which waits long for its model."""
    given = {"registry_uri": str(folder / "registry"), "model_version": "1.2.3", "cache_dir": str(folder / "cache")}
    return PredictorEnvironment.model_validate({**given, "timeout_seconds": 20, **changes})


async def never_ending() -> AsyncIterator[bytes]:
    """A body that begins and then stalls."""
    yield b"{"
    await asyncio.Event().wait()

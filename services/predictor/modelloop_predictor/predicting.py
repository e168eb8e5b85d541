"""Asking the model from a coroutine: the way of every request that is not answered below ASGI."""

from __future__ import annotations

import asyncio
from typing import Any

from modelloop_core.inference import Float64s
from modelloop_predictor.scoring import Scoring, Values
from modelloop_predictor.version import LoadedVersion


class _Awaited:
    """A question whose outcome is a future."""

    def __init__(self, version: LoadedVersion, rows: Float64s, outcome: asyncio.Future[Values]) -> None:
        self.version = version
        self.count = len(rows)
        self.deadline = 0.0
        self.cells: list[Any] | None = None
        self._rows = rows
        self._outcome = outcome

    @property
    def settled(self) -> bool:
        return self._outcome.done()

    def rows(self) -> Float64s:
        return self._rows

    def answer(self, values: Values) -> None:
        self._outcome.set_result(values)

    def fail(self, error: Exception) -> None:
        self._outcome.set_exception(error)


async def predict(scoring: Scoring, version: LoadedVersion, rows: Float64s) -> Values:
    """The predictions of checked rows; raises InferenceError, or ProblemError for a full queue or a missed deadline."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Values] = loop.create_future()
    scoring.ask(_Awaited(version, rows, outcome), loop)
    return await outcome

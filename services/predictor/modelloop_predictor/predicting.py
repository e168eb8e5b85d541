"""Asking the model from a coroutine: the way of every request that is not answered below ASGI."""

from __future__ import annotations

import asyncio

from modelloop_core.inference import Float64s
from modelloop_predictor.accounts import Exchange
from modelloop_predictor.answers import Values
from modelloop_predictor.fast_rows import Cells
from modelloop_predictor.serving import Serving
from modelloop_predictor.translation import problem_of
from modelloop_predictor.version import LoadedVersion


class _Awaited:
    """A question whose outcome is a future."""

    def __init__(
        self, version: LoadedVersion, rows: Float64s, exchange: Exchange, outcome: asyncio.Future[Values]
    ) -> None:
        self.version = version
        self.request_id, self.entity, self.live = exchange.request_id, exchange.entity, exchange.live
        self.count = len(rows)
        self.deadline = 0.0
        self.cells: Cells | None = None
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


async def predict(
    serving: Serving, version: LoadedVersion, rows: Float64s, exchange: Exchange
) -> tuple[Values, LoadedVersion]:
    """The predictions of checked rows, the model's or, noted in the exchange, the fallback's; and who writes them.

    Raises InferenceError, or ProblemError for a full queue, a missed deadline or a model that hangs.
    """
    try:
        return await _modelled(serving, version, rows, exchange), version
    except Exception as error:
        if version.fallback is None:
            raise
        problem = problem_of(error, exchange.request_id)
        values = version.fallback.instead_of(problem, lambda: rows)
        if values is None:
            raise problem from error if problem is not error else None
        exchange.fall_back(problem.kind.reason, version.fallback.answered_by)
        return values, version.fallback.version or version


async def _modelled(serving: Serving, version: LoadedVersion, rows: Float64s, exchange: Exchange) -> Values:
    serving.check_unstuck()
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Values] = loop.create_future()
    serving.questions.ask(_Awaited(version, rows, exchange, outcome), loop)
    return await outcome

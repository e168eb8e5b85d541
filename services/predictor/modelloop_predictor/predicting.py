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
    """A question whose outcome is a future; `by` is the version whose predictions they are."""

    def __init__(
        self, version: LoadedVersion, rows: Float64s, exchange: Exchange, outcome: asyncio.Future[Values]
    ) -> None:
        self.version = self.by = version
        self._exchange = exchange
        self.request_id, self.entity = exchange.request_id, exchange.entity
        self.live, self.mirrored = exchange.live, exchange.mirrored
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
        fallback = self.version.fallback
        if fallback is None:
            self._outcome.set_exception(error)
            return
        # Here and not where it is awaited: whoever has many to fail is the one who can let others get their turn.
        problem = problem_of(error, self.request_id)
        values = fallback.instead_of(problem, self.rows)
        if values is None:
            self._outcome.set_exception(problem)
            return
        self._exchange.fall_back(problem.kind.reason, fallback.answered_by)
        self.by = fallback.version or self.version
        self._outcome.set_result(values)


async def predict(
    serving: Serving, version: LoadedVersion, rows: Float64s, exchange: Exchange
) -> tuple[Values, LoadedVersion]:
    """The predictions of checked rows, the model's or, noted in the exchange, the fallback's; and who writes them.

    Raises InferenceError, or ProblemError for a full queue, a missed deadline or a model that hangs.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Values] = loop.create_future()
    question = _Awaited(version, rows, exchange, outcome)
    try:
        serving.check_unstuck()
        serving.questions.ask(question, loop)
    except Exception as error:  # noqa: BLE001 the way of a question that fails is the same whether it was taken or not
        question.fail(error)
    return await outcome, question.by

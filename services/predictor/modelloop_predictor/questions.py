"""What is asked of the model, and a batch of it: read together, answered one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from modelloop_core.inference import Float64s
from modelloop_predictor.answers import Values
from modelloop_predictor.fast_rows import Cells
from modelloop_predictor.version import LoadedVersion

Outcomes = Sequence[Values | Exception]
"""Of each question of a batch what the model answered, or how it failed."""


class Question(Protocol):
    """A request for predictions, which hears of its outcome exactly once, on the event loop.

    `cells` are rows that passed the typed reader but not their bounds; None when `rows()` gives checked ones at once.
    A settled question costs no forward. The model's answers to `live` ones are what telemetry counts, those to
    `mirrored` ones are compared with the live version's.
    """

    request_id: str
    entity: str | None
    live: bool
    mirrored: bool

    version: LoadedVersion
    cells: Cells | None
    count: int
    deadline: float

    @property
    def settled(self) -> bool:
        """Whether the outcome is known, or nobody waits for it."""
        ...

    def rows(self) -> Float64s:
        """float64 [count, features], each within its bounds; raises ProblemError that names the fields that are not."""
        ...

    def answer(self, values: Values) -> None:
        """Take the predictions."""
        ...

    def fail(self, error: Exception) -> None:
        """Take what went wrong."""
        ...


def checked_rows(question: Question) -> Float64s:
    """float64 [count, features] of one question, all within bounds; raises ProblemError that names what is not."""
    if question.cells is not None:
        rows = question.version.fast.matrix([question.cells])
        if rows is not None:
            return rows
    return question.rows()


def read(batch: list[Question]) -> tuple[list[Question], Float64s]:
    """The questions whose rows are within bounds, and these rows; the others have failed with what is wrong."""
    cells = [question.cells for question in batch if question.cells is not None]
    if batch and len(cells) == len(batch):
        rows = batch[0].version.fast.matrix(cells)
        if rows is not None:
            return batch, rows
    good: list[Question] = []
    parts: list[Float64s] = []
    for question in batch:
        try:
            parts.append(_rows(question))
        except Exception as error:  # noqa: BLE001 whatever is wrong with one request, the others of its batch go on
            question.fail(error)
        else:
            good.append(question)
    return good, np.concatenate(parts) if parts else np.empty((0, 0))


def _rows(question: Question) -> Float64s:
    rows = None if question.cells is None else question.version.fast.matrix([question.cells])
    return question.rows() if rows is None else rows


def answer(batch: list[Question], outcomes: Outcomes) -> list[bool]:
    """Tell each question its outcome; whether it is a live one that took the model's answer."""
    heard = []
    for question, outcome in zip(batch, outcomes, strict=True):
        took = False
        if question.settled:
            pass
        elif isinstance(outcome, Exception):
            question.fail(outcome)
        else:
            try:
                question.answer(outcome)
                took = question.live
            except Exception as error:  # noqa: BLE001 as above
                question.fail(error)
        heard.append(took)
    return heard


def parts(batch: list[Question], whole: Any) -> list[Any]:
    """`whole` (rows or predictions of the batch) cut into each question's part."""
    if len(batch) == 1:
        return [whole]
    parts, start = [], 0
    for question in batch:
        parts.append(whole[start : start + question.count])
        start += question.count
    return parts

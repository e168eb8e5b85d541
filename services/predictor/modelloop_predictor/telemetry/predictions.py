"""Chooses which live requests are logged, by a hash of their id, and keeps their predictions until they are posted."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from zlib import crc32

from modelloop_core.capture import Capture
from modelloop_core.feature_schema import MulticlassOutput, Output
from modelloop_core.inference import Float64s
from modelloop_core.wire.limits import MOST_PREDICTIONS
from modelloop_predictor.answers import Values
from modelloop_predictor.telemetry.audience import Asker
from modelloop_predictor.telemetry.unseen import storable

MOST_PROBABILITIES = 20
"""Of so many classes the log has each one's probability, without which neither AUC nor calibration can be told."""


class Logged(NamedTuple):
    """One request that was chosen; `rows` only where its features were, `answers` only where its predictions were."""

    request_id: str
    entity: str | None
    at: float
    answers: Values | None
    rows: Float64s | None


def share_of(request_id: str) -> float:
    """Where in [0, 1) a request's id lies: those below 0.1 are a tenth of all, and among those below 0.5."""
    return crc32(request_id.encode()) / 2**32


class Chooser:
    """Chooses requests on the event loop; at most so many rows a second, so that it costs the same at any load.

    `dropped` are the rows that came when a second's room was taken.
    """

    def __init__(self, capture: Capture, clock: Callable[[], float] = time.time, *, entities: bool = True) -> None:
        self.capture = capture
        self._larger = max(capture.predictions, capture.features)
        self._clock = clock
        self._entities = entities
        self._second = 0
        self._left = 0
        # Bounded by the rows a second, as long as the thread takes them; where it does not, the oldest go.
        self._chosen: deque[Logged] = deque(maxlen=MOST_PREDICTIONS)
        self.dropped = 0

    def hear(self, askers: Sequence[Asker], rows: Float64s, answers: Values) -> None:
        """As an Audience: keep what is chosen of the requests, count what there is no room for."""
        at = self._clock()
        if int(at) != self._second:
            self._second, self._left = int(at), self.capture.max_rows_per_second
        if self._left <= 0:
            self.dropped += len(rows)
            return
        start = 0
        for asker in askers:
            own = slice(start, start + asker.count)
            share = share_of(asker.request_id)
            if share < self._larger:
                self._choose(asker, share, at, answers[own], rows[own])
            start += asker.count

    def take(self) -> list[Logged]:
        """What was chosen since the last time."""
        found = []
        while self._chosen:
            found.append(self._chosen.popleft())
        return found

    def _choose(self, asker: Asker, share: float, at: float, values: Values, rows: Float64s) -> None:
        if len(values) > self._left:
            self.dropped += len(values)
            return
        self._left -= len(values)
        self._chosen.append(
            Logged(
                request_id=asker.request_id,
                entity=storable(asker.entity) if self._entities and asker.entity is not None else None,
                at=at,
                answers=values if share < self.capture.predictions else None,
                rows=rows if share < self.capture.features else None,
            )
        )


class Copies:
    """Predictions for copies of requests, for the monitor alone, which compares them with the live version's.

    They are chosen as the live version chooses its own, so that both have the same ones.
    """

    def __init__(self, capture: Capture, output: Output, clock: Callable[[], float] = time.time) -> None:
        self._chooser = Chooser(capture.model_copy(update={"features": 0.0}), clock, entities=False)
        self._log = PredictionLog(output)

    def hear(self, askers: Sequence[Asker], rows: Float64s, answers: Values) -> None:
        """As an Audience, on the event loop."""
        self._chooser.hear(askers, rows, answers)

    def take(self) -> list[dict[str, Any]]:
        """LoggedPredictions since the last time, for the thread that posts."""
        self._log.add(self._chooser.take())
        return self._log.take()


class PredictionLog:
    """Predictions for the monitor, which joins labels to them; what is too much for one post is dropped and counted."""

    def __init__(self, output: Output) -> None:
        classes = output.classes if isinstance(output, MulticlassOutput) else ()
        # Of more the probabilities would take too much room, and the class alone is told.
        self._classes = classes if len(classes) > MOST_PROBABILITIES else ()
        self._waiting: list[dict[str, Any]] = []
        self.dropped = self.posted = 0

    def add(self, logged: Sequence[Logged]) -> None:
        """Keep those whose predictions were chosen."""
        for one in logged:
            for row, answer in enumerate(one.answers or ()):
                if len(self._waiting) >= MOST_PREDICTIONS:
                    self.dropped += 1
                    continue
                found = {"request_id": one.request_id, "row": row, "at": one.at, "prediction": self.value(answer)}
                self._waiting.append(found if one.entity is None else {**found, "entity": one.entity})

    def value(self, answer: Any) -> Any:
        """What was answered: a number, several (of up to 20 classes their probabilities), or a class."""
        return self._classes[answer.index(max(answer))] if self._classes else answer

    def take(self) -> list[dict[str, Any]]:
        """LoggedPredictions since the last time."""
        waiting, self._waiting = self._waiting, []
        self.posted += len(waiting)
        return waiting

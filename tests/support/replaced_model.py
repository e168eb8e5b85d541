"""Puts functions in the place of a running predictor's model: what fails, hangs or counts on demand."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from modelloop_core.inference import Float64s, Scorer
from support.predictor_inside import Predictor


class Scores(Scorer):
    """Stands for a scorer: calls a function."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def predict(self, rows: Float64s) -> Float64s:
        result: Float64s = self._call(rows)
        return result


def replace_model(predictor: Predictor, call: Any) -> None:
    """Let `call` answer from now on."""
    version = predictor.serving.version
    assert version is not None
    predictor.serving.install(dataclasses.replace(version, scorer=Scores(call), quick=False))


@contextmanager
def hanging(predictor: Predictor) -> Iterator[list[float]]:
    """A model that hangs for as long as the block; the list has the first number of each call."""
    entered: list[float] = []
    release = threading.Event()

    def hang(rows: Float64s) -> Float64s:
        entered.append(float(rows[0, 0]))
        assert release.wait(60)
        return np.zeros(len(rows))

    replace_model(predictor, hang)
    try:
        yield entered
    finally:
        release.set()

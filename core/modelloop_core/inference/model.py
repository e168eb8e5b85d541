"""The port of a runtime: a matrix in, raw answers out."""

from __future__ import annotations

from typing import Protocol

from modelloop_core.inference.arrays import Float32s, Floats


class Model(Protocol):
    """A loaded model; several threads may call it at once, as both runtimes allow."""

    @property
    def open_ended(self) -> bool:
        """Whether what a call takes may depend on the values in the rows, and not on their number alone."""
        ...

    def predict(self, matrix: Float32s) -> Floats:
        """float32 [n, k], n >= 1, to floats [n] or [n, values]; raises PredictError."""
        ...

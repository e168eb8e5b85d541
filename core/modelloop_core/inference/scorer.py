"""The whole way from parsed rows to checked predictions, the same online, in batch and when publishing."""

from __future__ import annotations

import numpy as np

from modelloop_core.feature_schema import Signature, output_columns
from modelloop_core.inference.arrays import Float64s
from modelloop_core.inference.encode import Encoder
from modelloop_core.inference.model import Model
from modelloop_core.inference.output import check
from modelloop_core.preprocessing import Preprocessing


class Scorer:
    """Preprocessing, model and output checks of one version; raises PreprocessingError when they do not fit."""

    def __init__(self, signature: Signature, preprocessing: Preprocessing, model: Model) -> None:
        self._output = signature.output
        self._encoder = Encoder(signature, preprocessing)
        self._model = model

    @property
    def open_ended(self) -> bool:
        """Whether what a call takes may depend on the values in the rows, and not on their number alone."""
        return self._model.open_ended

    def predict(self, rows: Float64s) -> Float64s:
        """float64 [n, features] to float64 [n] or [n, values] that the signature allows; raises PredictError."""
        if len(rows) == 0:
            return self._empty()
        return check(self._model.predict(self._encoder.transform(rows)), self._output)

    def _empty(self) -> Float64s:
        values = len(output_columns(self._output))
        return np.empty((0, values) if values else (0,), dtype=np.float64)

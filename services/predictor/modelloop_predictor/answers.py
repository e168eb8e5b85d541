"""From checked predictions to the bytes of an answer."""

from __future__ import annotations

from typing import Any, assert_never

import numpy as np
import orjson

from modelloop_core.feature_schema import BinaryOutput, MulticlassOutput, Output, RegressionOutput
from modelloop_core.inference import Float64s
from modelloop_predictor.parsing import Envelope


class AnswerWriter:
    """Writes answers of one version; `served_name` is the version as answers carry it (`v1.2.3`)."""

    def __init__(self, output: Output, served_name: str) -> None:
        self._output = output
        self._served_name = served_name

    def write(self, scores: Float64s, envelope: Envelope, request_id: str) -> bytes:
        """The JSON answer to `envelope`, whose rows got `scores` ([n] or [n, classes])."""
        answer = self._many(scores) if envelope.many else self._one(scores)
        answer["model_version"] = self._served_name
        answer["request_id"] = request_id
        return orjson.dumps(answer)

    def _one(self, scores: Float64s) -> dict[str, Any]:
        return {key[:-1] if key == "predictions" else key: values[0] for key, values in self._many(scores).items()}

    def _many(self, scores: Float64s) -> dict[str, Any]:
        match self._output:
            case BinaryOutput() | RegressionOutput():
                return {"predictions": scores.tolist()}
            case MulticlassOutput(classes=classes):
                labels = [classes[index] for index in np.argmax(scores, axis=1)]
                rows = [dict(zip(classes, row, strict=True)) for row in scores.tolist()]
                return {"predictions": labels, "probabilities": rows}
            case _:
                assert_never(self._output)

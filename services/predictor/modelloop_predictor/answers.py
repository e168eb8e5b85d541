"""From checked predictions to the bytes of an answer."""

from __future__ import annotations

from typing import Any

import orjson

from modelloop_core.feature_schema import MulticlassOutput, Output, output_columns

Values = list[Any]
"""Predictions of a request's rows, in order: floats, or for multiclass a list of floats a row."""


class AnswerWriter:
    """Writes answers of one version; `served_name` is the version as answers carry it (`v1.2.3`)."""

    def __init__(self, output: Output, served_name: str) -> None:
        self._columns = output_columns(output)
        self._classes = isinstance(output, MulticlassOutput)
        self._served_name = served_name
        self._one_number = b'{"prediction":%%b,"model_version":%b,"request_id":%%b}' % orjson.dumps(served_name)

    def write(self, values: list[Any], *, many: bool, request_id: str) -> bytes:
        """The JSON answer to a request whose rows got `values` (floats, or where they have names a list a row)."""
        if not self._columns and not many:
            return self._one_number % (orjson.dumps(values[0]), orjson.dumps(request_id))
        answer = self._named(values) if self._columns else {"predictions": values}
        if not many:
            answer = {key.removesuffix("s") if key == "predictions" else key: found[0] for key, found in answer.items()}
        return orjson.dumps({**answer, "model_version": self._served_name, "request_id": request_id})

    def _named(self, values: list[list[float]]) -> dict[str, Any]:
        named = [dict(zip(self._columns, row, strict=True)) for row in values]
        if not self._classes:
            return {"predictions": named}
        return {"predictions": [self._columns[row.index(max(row))] for row in values], "probabilities": named}

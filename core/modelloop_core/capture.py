"""Which predictions a predictor logs: declared in `spec.monitoring.capture`, carried to the pod as JSON."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Capture(BaseModel):
    """Shares of the live requests whose predictions and whose features are logged, by a hash of the request's id.

    The same hash for both and in every pod, so that the smaller sample lies within the larger one. `exclude` are
    features, or the entity key, that are never written anywhere. What is more than `max_rows_per_second` is left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    predictions: Share = 1.0
    features: Share = 0.1
    exclude: tuple[Annotated[str, Field(min_length=1, max_length=128)], ...] = Field(default=(), max_length=4096)
    max_rows_per_second: int = Field(default=200, ge=1, le=100_000)

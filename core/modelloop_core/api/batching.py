"""`spec.serving.batching` of an MLModel: how requests share the model's forward."""

from __future__ import annotations

from pydantic import Field, field_validator

from modelloop_core.api.fields import APIObject, Duration, rules, seconds

LONGEST_DELAY_SECONDS = 1
DELAY_FORM = "^([0-9]{1,4}ms|[0-9]{1,2}s)+$"
"""Delays that CEL's durations can hold."""


class Batching(APIObject):
    """How many rows share a forward of the model, and whether any of them waits for others."""

    maxBatchSize: int = Field(default=64, ge=1, le=4096, description="Most rows that go through the model at once.")
    maxDelay: Duration = Field(
        default="0ms",
        description="Longest a request may wait for others to share a forward with; at most 1s. With 0ms none waits, "
        "and what arrives together still shares one.",
        json_schema_extra=rules(
            (
                f"self.matches('{DELAY_FORM}') && duration(self) <= duration('1s')",
                "maxDelay must be in ms or s, and at most 1s",
            )
        ),
    )

    @field_validator("maxDelay")
    @classmethod
    def _within_bounds(cls, text: str) -> str:
        if seconds(text) > LONGEST_DELAY_SECONDS:
            raise ValueError("maxDelay must be in ms or s, and at most 1s")
        return text

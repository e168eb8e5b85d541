"""`spec.serving.autoscaling` of an MLModel: how many pods the load makes."""

from __future__ import annotations

from pydantic import ConfigDict, Field, field_validator

from modelloop_core.api.fields import APIObject, Duration, rules, seconds

# What a HorizontalPodAutoscaler takes: whole seconds, an hour at the most.
LONGEST_SCALE_DOWN_DELAY_SECONDS = 3600
_SCALE_DOWN_DELAY = "scaleDownDelay must be in s, m or h, and at most 1h"


class Autoscaling(APIObject):
    """A HorizontalPodAutoscaler on CPU instead of a fixed number of replicas."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("self.minReplicas <= self.maxReplicas", "minReplicas must not be greater than maxReplicas")
        )
    )

    minReplicas: int = Field(default=2, ge=1, le=1000, description="Fewest pods of the live version.")
    maxReplicas: int = Field(ge=1, le=1000, description="Most pods of the live version.")
    targetCPUUtilization: int = Field(
        default=70, ge=1, le=100, description="Average CPU use to aim at, in percent of the requested CPU."
    )
    scaleDownDelay: Duration = Field(
        default="5m",
        description="How long pods stay after the load that needed them, so that a dip costs none; at most 1h.",
        json_schema_extra=rules(
            (
                "self.matches('^([0-9]{1,5}(s|m|h))+$') && duration(self) <= duration('1h')",
                _SCALE_DOWN_DELAY,
            )
        ),
    )

    @field_validator("scaleDownDelay")
    @classmethod
    def _whole_seconds_within_an_hour(cls, text: str) -> str:
        if seconds(text) % 1 or seconds(text) > LONGEST_SCALE_DOWN_DELAY_SECONDS:
            raise ValueError(_SCALE_DOWN_DELAY)
        return text

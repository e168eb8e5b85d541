"""`spec.rollout.steps` and `.staging` of an MLModel: what a new version goes through on its way to all traffic."""

from __future__ import annotations

from typing import Self

from pydantic import ConfigDict, Field, model_validator

from modelloop_core.api.fields import APIObject, LongDuration, rules

_ONE_OF = "a step has either a weight or a mirror"


class Step(APIObject):
    """A share of the traffic, or copies of a share of it, and what must be before a larger one."""

    model_config = ConfigDict(json_schema_extra=rules(("has(self.weight) != has(self.mirror)", _ONE_OF)))

    weight: int | None = Field(
        default=None, ge=1, le=99, description="Share of the traffic that the new version gets, in percent."
    )
    mirror: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="Share of the requests of which the new version gets copies, in percent; callers never see its "
        "answers. Such steps come before those with a weight.",
    )
    hold: LongDuration = Field(default="24h", description="How long it is held at the least, also when all is well.")
    approval: bool = Field(
        default=False,
        description="Whether a person has to say yes (`kubectl mlmodel approve`) before the next step.",
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.weight is None) == (self.mirror is None):
            raise ValueError(_ONE_OF)
        return self


class Staging(APIObject):
    """What a new version goes through when its pods are ready, before anything of the traffic comes to it."""

    replay: int = Field(
        default=500,
        ge=0,
        le=10_000,
        description="How many of the newest captured requests it is asked again, to compare its answers with those of "
        "then; 0 means none.",
    )
    hold: LongDuration = Field(default="0s", description="How long it is left like this at the least.")

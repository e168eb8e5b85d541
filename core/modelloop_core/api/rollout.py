"""`spec.rollout` of an MLModel: how a new version earns its traffic."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from modelloop_core.api.analysis import Analysis
from modelloop_core.api.experiments import AB, AB_RULE, wrong_strategy
from modelloop_core.api.fields import CLOCK_FORM, APIObject, Duration, LongDuration, rules, seconds
from modelloop_core.api.steps import Staging, Step

MOST_STEPS = 16
LONGEST_PROGRESS_SECONDS = 86400
SHORTEST_PROGRESS_SECONDS = 30
_PROGRESS = "progressDeadline must be in s, m or h, at least 30s and at most 24h"
_RISING = "mirrors, then weights of steps must rise from one to the next; 100 is implied at the end"
_AGREEMENT = "minAgreement needs a step with mirror, or staging.replay: only then two versions answer the same requests"
# Mirrors come before weights, and both rise.
_PLACE = "(has({0}.weight) ? 100 + {0}.weight : has({0}.mirror) ? {0}.mirror : 0)"
_SIDE_BY_SIDE = (
    "analysis.maxQualityDrop and business hold two versions that have traffic against each other: they are for Canary "
    "and AB; BlueGreen moves all traffic at once"
)
_STEPS_OF_CANARY = "steps are for strategy Canary: BlueGreen moves all traffic at once, and AB has ab.split"


class Rollout(APIObject):
    """How a new version earns its traffic: step by step and judged, or all at once beside what stays warm."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("!has(self.steps) || !has(self.strategy) || self.strategy == 'Canary'", _STEPS_OF_CANARY),
            (
                "!has(self.analysis) || !has(self.analysis.minAgreement) || "
                "(has(self.steps) && self.steps.exists(s, has(s.mirror))) || "
                "(has(self.staging) && self.staging.replay > 0)",
                _AGREEMENT,
            ),
            AB_RULE,
            (
                "!has(self.strategy) || self.strategy != 'BlueGreen' || !has(self.analysis) "
                "|| !(has(self.analysis.maxQualityDrop) || has(self.analysis.business))",
                _SIDE_BY_SIDE,
            ),
        )
    )

    strategy: Literal["Canary", "AB", "BlueGreen"] = Field(
        default="Canary",
        description="Canary raises the new version's share step by step, AB holds one share until it is known which "
        "version does better; both need spec.traffic.gateway. BlueGreen moves all traffic at once when as many pods "
        "are ready as serve now.",
    )
    ab: AB | None = Field(default=None, description="The A/B test of strategy AB.")
    steps: Annotated[list[Step], Field(min_length=1, max_length=MOST_STEPS)] | None = Field(
        default=None,
        description="Shares on the way to 100, which is implied; absent means 5, 25 and 50, each held for 24h.",
        json_schema_extra=rules(
            (
                f"self.map(s, {_PLACE.format('s')}).isSorted() && "
                f"self.all(s, self.exists_one(t, {_PLACE.format('t')} == {_PLACE.format('s')}))",
                _RISING,
            ),
            **{"x-kubernetes-list-type": "atomic"},
        ),
    )
    staging: Staging | None = Field(
        default=None, description="What comes before any traffic; absent means that pods only have to be ready."
    )
    analysis: Analysis = Field(default=Analysis(), description="What it is judged by.")
    progressDeadline: Duration = Field(
        default="10m",
        description="How long the pods of a step may take to be ready before the version is refused; at most 24h.",
        json_schema_extra=rules(
            (
                f"self.matches('{CLOCK_FORM}') && duration(self) >= duration('30s') "
                "&& duration(self) <= duration('24h')",
                _PROGRESS,
            )
        ),
    )
    inconclusiveDeadline: LongDuration = Field(
        default="72h",
        description="How long a step may wait for a verdict after its hold before onInconclusive says what happens.",
    )
    onInconclusive: Literal["Hold", "RollBack"] = Field(
        default="Hold", description="What happens then: go on waiting for a person, or take the version back."
    )
    keepWarm: LongDuration = Field(
        default="24h",
        description="How long the pods of the replaced version stay, so that the way back is one write of the route.",
    )
    paused: bool = Field(default=False, description="Whether new versions stay where they are; one that fails goes.")

    @field_validator("progressDeadline")
    @classmethod
    def _deadline_within_bounds(cls, text: str) -> str:
        whole = "ms" not in text and "d" not in text
        if not whole or not SHORTEST_PROGRESS_SECONDS <= seconds(text) <= LONGEST_PROGRESS_SECONDS:
            raise ValueError(_PROGRESS)
        return text

    @model_validator(mode="after")
    def _steps_make_sense(self) -> Self:
        if self.analysis.minAgreement is not None and not (self.mirrors or self.replays):
            raise ValueError(_AGREEMENT)
        if wrong := wrong_strategy(self):
            raise ValueError(wrong)
        compares = self.analysis.maxQualityDrop is not None or self.analysis.business is not None
        if self.strategy == "BlueGreen" and compares:
            raise ValueError(_SIDE_BY_SIDE)
        if self.steps is None:
            return self
        if self.strategy != "Canary":
            raise ValueError(_STEPS_OF_CANARY)
        places = [(step.weight or 0, step.mirror or 0) for step in self.steps]
        if places != sorted(set(places)):
            raise ValueError(_RISING)
        return self

    @property
    def mirrors(self) -> bool:
        """Whether a new version is to get copies of requests before it gets any of its own."""
        return any(step.mirror for step in self.steps or ())

    @property
    def replays(self) -> int:
        """How many captured requests a new version is asked before it gets any traffic."""
        return self.staging.replay if self.staging is not None else 0

    @property
    def stages(self) -> tuple[Step, ...]:
        """The shares on the way to 100: those of a canary, by default when none are given, or that of an A/B test."""
        if self.ab is not None:
            return (Step(weight=self.ab.split, hold="0s"),)
        return tuple(self.steps) if self.steps else DEFAULT_STEPS


DEFAULT_STEPS = (Step(weight=5), Step(weight=25), Step(weight=50))

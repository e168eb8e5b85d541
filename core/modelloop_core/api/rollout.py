"""`spec.rollout` of an MLModel: how a new version earns its traffic."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from modelloop_core.api.comparing import BusinessLimit
from modelloop_core.api.experiments import AB, AB_RULE, wrong_strategy
from modelloop_core.api.fields import APIObject, Duration, keyed_by, rules, seconds
from modelloop_core.wire.settings import MOST_BUSINESS

MOST_STEPS = 16
MOST_METRICS = 10
LONGEST_PROGRESS_SECONDS = 86400
SHORTEST_PROGRESS_SECONDS = 30
_CLOCK_FORM = "^([0-9]{1,5}(s|m|h))+$"
_INTERVAL = "interval must be in s, m or h, at least 1s and at most 1h"
_PROGRESS = "progressDeadline must be in s, m or h, at least 30s and at most 24h"
_RISING = "mirrors, then weights of steps must rise from one to the next; 100 is implied at the end"
_LIMIT = "a metric has either max or min"
_KNOWN_PLACEHOLDER = "^[{][{] *(namespace|name|version|stable|interval) *[}][}]$"
# Without braces: the chart's copy of the resource is a template.
_PLACEHOLDERS = "in double braces stands one of namespace, name, version, stable and interval"
_ONE_OF = "a step has either a weight or a mirror"
_AGREEMENT = "minAgreement needs a step with mirror, or staging.replay: only then two versions answer the same requests"
# Mirrors come before weights, and both rise.
_PLACE = "(has({0}.weight) ? 100 + {0}.weight : has({0}.mirror) ? {0}.mirror : 0)"
_STEPS_OF_CANARY = "steps are for strategy Canary: BlueGreen moves all traffic at once, and AB has ab.split"
_LATENCY = "maxLatencyP95 must be in ms or s, longer than zero and at most 10s"


# By a rule, too, where a bound is no whole number: of a whole number the API server compares the whole part alone.


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
    hold: Duration = Field(default="24h", description="How long it is held at the least, also when all is well.")
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
    hold: Duration = Field(default="0s", description="How long it is left like this at the least.")


class Metric(APIObject):
    """A number of one's own, asked of the Prometheus that the installation names."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("has(self.max) != has(self.min)", _LIMIT),
            (
                f"self.promql.findAll('[{{][{{][^}}]*[}}][}}]').all(p, p.matches('{_KNOWN_PLACEHOLDER}'))",
                _PLACEHOLDERS,
            ),
        )
    )

    name: str = Field(min_length=1, max_length=63, pattern="^[a-z]([-a-z0-9]*[a-z0-9])?$", description="Its name.")
    promql: str = Field(
        min_length=1,
        max_length=2048,
        description="An expression that has one number. In double braces version, stable (the live version), "
        "namespace, name and interval are filled in.",
    )
    max: float | None = Field(default=None, description="Largest number that is well.")
    min: float | None = Field(default=None, description="Smallest number that is well.")
    dryRun: bool = Field(default=False, description="Whether it is told and not judged.")

    @model_validator(mode="after")
    def _one_limit_and_known_words(self) -> Self:
        if (self.max is None) == (self.min is None):
            raise ValueError(_LIMIT)
        if any(not re.fullmatch(_KNOWN_PLACEHOLDER, found) for found in re.findall(r"\{\{[^}]*\}\}", self.promql)):
            raise ValueError(_PLACEHOLDERS)
        return self


class Analysis(APIObject):
    """What a new version is judged by, against limits and against the live version over the same minutes."""

    interval: Duration = Field(
        default="1m",
        description="How often the monitor is asked; at most 1h.",
        json_schema_extra=rules(
            (
                f"self.matches('{_CLOCK_FORM}') && duration(self) >= duration('1s') "
                "&& duration(self) <= duration('1h')",
                _INTERVAL,
            )
        ),
    )
    minRequests: int = Field(
        default=200,
        ge=1,
        le=100_000_000,
        description="Fewest requests of the new version before it may pass; it may fail with fewer.",
    )
    falseRollbackRate: float = Field(
        default=0.01,
        ge=0.000001,
        le=0.5,
        description="How often at most a version that is well may be taken back by chance, over its whole rollout.",
        json_schema_extra=rules(("self >= 0.000001", "falseRollbackRate is at least 0.000001 and at most 0.5")),
    )
    maxErrorRate: float = Field(
        default=0.01,
        ge=0.000001,
        le=0.99,
        description="Share of its requests that may fail, 0.01 is one in a hundred.",
        json_schema_extra=rules(
            ("self >= 0.000001 && self <= 0.99", "maxErrorRate is at least 0.000001 and at most 0.99")
        ),
    )
    maxErrorIncrease: float = Field(
        default=1.25, ge=1, le=100, description="How many times as often as the live version's its requests may fail."
    )
    maxLatencyP95: Duration | None = Field(
        default=None,
        description="Time within which 95 of 100 requests must be answered; absent means no such limit.",
        json_schema_extra=rules(
            (
                "self.matches('^([0-9]{1,5}ms|[0-9]{1,2}s)+$') && duration(self) > duration('0s') "
                "&& duration(self) <= duration('10s')",
                _LATENCY,
            )
        ),
    )
    maxLatencyIncrease: float = Field(
        default=1.25,
        ge=1,
        le=100,
        description="How many times as often as the live version's its requests may be slower than the live version's "
        "95th percentile.",
    )
    maxPredictionPSI: float = Field(
        default=0.2,
        ge=0.001,
        le=10,
        description="How far its outputs may lie from the live version's, as PSI.",
        json_schema_extra=rules(("self >= 0.001", "maxPredictionPSI is at least 0.001 and at most 10")),
    )
    onNoReference: Literal["Hold", "Skip"] | None = Field(
        default=None,
        description="What happens when a version has no reference, so that its answers cannot be compared: "
        "wait for a person, or go without maxPredictionPSI. Absent means Hold.",
    )
    maxQualityDrop: float | None = Field(
        default=None,
        ge=0.000001,
        le=1_000_000_000,
        description="By how much its quality may be worse than the live version's over the same hours, in units of "
        "spec.monitoring.quality.metric; absent means no such limit. It passes once minRequests of its predictions "
        "have labels.",
        json_schema_extra=rules(("self >= 0.000001", "maxQualityDrop is at least 0.000001")),
    )
    business: Annotated[list[BusinessLimit], Field(max_length=MOST_BUSINESS)] | None = Field(
        default=None,
        description="How much less of events of spec.monitoring.business it may bring; absent means no such limit.",
        json_schema_extra=keyed_by("name"),
    )

    minAgreement: float | None = Field(
        default=None,
        ge=0.01,
        le=0.9999,
        description="Share of mirrored and replayed requests that it must answer as the live version does: the same "
        "class, the same side of the threshold, a value within 5 %. Absent means no such limit.",
        json_schema_extra=rules(("self >= 0.01 && self <= 0.9999", "minAgreement is at least 0.01 and at most 0.9999")),
    )

    metrics: Annotated[list[Metric], Field(max_length=MOST_METRICS)] | None = Field(
        default=None,
        description="Numbers of one's own: it fails when one is beyond its limit three times in a row.",
        json_schema_extra=keyed_by("name"),
    )

    @field_validator("interval")
    @classmethod
    def _interval_within_bounds(cls, text: str) -> str:
        if "ms" in text or "d" in text or not 1 <= seconds(text) <= 3600:
            raise ValueError(_INTERVAL)
        return text

    @field_validator("metrics")
    @classmethod
    def _names_are_distinct(cls, metrics: list[Metric] | None) -> list[Metric] | None:
        if len({metric.name for metric in metrics or ()}) < len(metrics or ()):
            raise ValueError("names of metrics repeat")
        return metrics

    @field_validator("maxLatencyP95")
    @classmethod
    def _latency_within_bounds(cls, text: str | None) -> str | None:
        if text is not None and not 0 < seconds(text) <= 10:
            raise ValueError(_LATENCY)
        return text


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
                f"self.matches('{_CLOCK_FORM}') && duration(self) >= duration('30s') "
                "&& duration(self) <= duration('24h')",
                _PROGRESS,
            )
        ),
    )
    inconclusiveDeadline: Duration = Field(
        default="72h",
        description="How long a step may wait for a verdict after its hold before onInconclusive says what happens.",
    )
    onInconclusive: Literal["Hold", "RollBack"] = Field(
        default="Hold", description="What happens then: go on waiting for a person, or take the version back."
    )
    keepWarm: Duration = Field(
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

"""`spec.rollout.analysis` of an MLModel: what a new version is judged by."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from modelloop_core.api.comparing import BusinessLimit
from modelloop_core.api.fields import CLOCK_FORM, APIObject, Duration, keyed_by, rules, seconds
from modelloop_core.wire.settings import MOST_BUSINESS

MOST_METRICS = 10
_INTERVAL = "interval must be in s, m or h, at least 1s and at most 1h"
_LIMIT = "a metric has either max or min"
_KNOWN_PLACEHOLDER = "^[{][{] *(namespace|name|version|stable|interval) *[}][}]$"
# Without braces: the chart's copy of the resource is a template.
_PLACEHOLDERS = "in double braces stands one of namespace, name, version, stable and interval"
_LATENCY = "maxLatencyP95 must be in ms or s, longer than zero and at most 10s"


# By a rule, too, where a bound is no whole number: of a whole number the API server compares the whole part alone.


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
                f"self.matches('{CLOCK_FORM}') && duration(self) >= duration('1s') && duration(self) <= duration('1h')",
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

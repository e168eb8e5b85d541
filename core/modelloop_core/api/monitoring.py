"""`spec.monitoring` of an MLModel: what is counted and logged, when that is drift, and who is told."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from modelloop_core.api.alerts import Alerts
from modelloop_core.api.fields import CLOCK_FORM, APIObject, Duration, keyed_by, rules, seconds
from modelloop_core.wire.settings import (
    HIGHER_IS_BETTER,
    MOST_BUSINESS,
    MOST_FEATURES,
    BusinessKind,
    Method,
    QualityMetric,
    Role,
)

DAY_SECONDS = 86_400
SHORTEST_WINDOW_SECONDS = 10
LONGEST_DELAY_SECONDS = 30 * DAY_SECONDS
_WINDOW = "window must be in s, m or h, from 10s to 24h, and divide a day: 30s, 5m, 1h, 6h, 24h"
_DELAY = "delay must be in s, m or h and at most 720h"
_BANDS = "drift.moderate must be below drift.significant"
_FEATURE_BANDS = "a feature's significant must be above drift.moderate"
_ASCENDING = ", ".join(f"'{metric}'" for metric in sorted(HIGHER_IS_BETTER))
_ONE_BOUND = (
    "give min for accuracy, auc and f1, which are to be high, and max for log_loss, brier, ece, mae and rmse, "
    "which are to be low; exactly one of them"
)

FeatureName = Annotated[str, Field(min_length=1, max_length=128)]
Share = Annotated[float, Field(ge=0, le=1)]
# By a rule: of a whole number the API server compares only the whole part of a minimum, and takes 0.
Band = Annotated[
    float, Field(ge=0.001, le=10, json_schema_extra=rules(("self >= 0.001", "a band is at least 0.001 and at most 10")))
]


class CaptureSpec(APIObject):
    """Which predictions and features are logged, for labels that come later and for retraining."""

    predictions: Share = Field(default=1.0, description="Share of requests whose predictions are logged.")
    features: Share = Field(
        default=0.1, description="Share of requests whose features are logged as well, by a hash of the request id."
    )
    exclude: Annotated[list[FeatureName], Field(max_length=MOST_FEATURES)] = Field(
        default=[],
        description="Features, or the entity key, that are never written anywhere.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    retention: Duration = Field(
        default="30d",
        description="How long logged predictions and features are kept, by the monitor (so that labels find them) and "
        "in the registry. MLModels that share a registry share what is logged there: the shortest of them holds.",
        json_schema_extra=rules(("self.matches('[1-9]')", "retention must be longer than zero")),
    )
    maxRowsPerSecond: int = Field(
        default=200, ge=1, le=100_000, description="Most rows that a pod logs each second; what is more is left out."
    )

    @field_validator("retention")
    @classmethod
    def _some_time(cls, text: str) -> str:
        if seconds(text) <= 0:
            raise ValueError("retention must be longer than zero")
        return text


class DriftFeature(APIObject):
    """How one feature is judged."""

    name: FeatureName = Field(description="A feature of the version's signature.")
    role: Role = Field(
        default="watch",
        description="key features can start a retraining, watch are reported, ignore are only counted.",
    )
    method: Method = Field(default="psi", description="The distance it is judged by.")
    significant: Band | None = Field(default=None, description="Its own band; absent means drift.significant.")


class Drift(APIObject):
    """When features and outputs have drifted."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("!has(self.moderate) || !has(self.significant) || self.moderate < self.significant", _BANDS),
            (
                "!has(self.features) || !has(self.moderate) "
                "|| self.features.all(f, !has(f.significant) || f.significant > self.moderate)",
                _FEATURE_BANDS,
            ),
        )
    )

    moderate: Band = Field(default=0.1, description="Distance from which a change is worth a look.")
    significant: Band = Field(default=0.2, description="Distance from which it is drift.")
    minSamples: int = Field(default=500, ge=1, le=1_000_000_000, description="Fewest rows by which a window is judged.")
    consecutiveWindows: int = Field(
        default=3, ge=1, le=100, description="Windows in a row that must show it before anybody is told."
    )
    falseAlarmRate: float = Field(
        default=0.01,
        ge=0.000001,
        le=0.5,
        description="Most of the windows without a change that may be called one.",
        json_schema_extra=rules(("self >= 0.000001", "falseAlarmRate is at least 0.000001 and at most 0.5")),
    )
    features: Annotated[list[DriftFeature], Field(max_length=MOST_FEATURES)] = Field(
        default=[],
        description="Features with a role, method or band of their own; the others are watched.",
        json_schema_extra=keyed_by("name"),
    )

    @model_validator(mode="after")
    def _bands_ascend(self) -> Self:
        if self.moderate >= self.significant:
            raise ValueError(_BANDS)
        if any(feature.significant is not None and feature.significant <= self.moderate for feature in self.features):
            raise ValueError(_FEATURE_BANDS)
        return self


class Quality(APIObject):
    """What the model must be worth, once labels have come."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                f"has(self.min) != has(self.max) && has(self.min) == (self.metric in [{_ASCENDING}])",
                _ONE_BOUND,
            )
        )
    )

    metric: QualityMetric = Field(description="The metric by which the model is judged.")
    min: Share | None = Field(default=None, description="Fewest that it may be.")
    max: Annotated[float, Field(ge=0)] | None = Field(default=None, description="Most that it may be.")
    labelDelay: Duration = Field(default="24h", description="How long labels usually take; windows wait that long.")

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if (self.min is None) == (self.max is None) or (self.min is not None) != (self.metric in HIGHER_IS_BETTER):
            raise ValueError(_ONE_BOUND)
        return self


class BusinessMetric(APIObject):
    """What follows from predictions, told by `POST /v1/events`."""

    name: str = Field(max_length=63, pattern="^[a-z][a-z0-9_]{0,62}$", description="Name of the event.")
    kind: BusinessKind = Field(description="rate: a share of predictions; sum: an amount.")
    delay: Duration | None = Field(
        default=None,
        description="How long after its prediction an event may come to count in a rollout, which judges requests that "
        "are older; at most 720h. Absent means 1h.",
        json_schema_extra=rules(
            (f"self.matches('{CLOCK_FORM}') && duration(self) <= duration('720h')", _DELAY),
        ),
    )

    @property
    def delay_seconds(self) -> int:
        """The delay, that of the default when none is given."""
        return int(seconds(self.delay or "1h"))

    @field_validator("delay")
    @classmethod
    def _delay_within_bounds(cls, text: str | None) -> str | None:
        if text is not None and (not re.fullmatch(CLOCK_FORM, text) or seconds(text) > LONGEST_DELAY_SECONDS):
            raise ValueError(_DELAY)
        return text


class Monitoring(APIObject):
    """How the model is watched; sane without any of it."""

    window: Duration = Field(
        default="1h",
        description="Length of the windows that are judged, from UTC midnight on.",
        json_schema_extra=rules(
            (
                f"self.matches('{CLOCK_FORM}') && duration(self) >= duration('10s') "
                f"&& duration(self) <= duration('24h') && {DAY_SECONDS} % duration(self).getSeconds() == 0",
                _WINDOW,
            )
        ),
    )
    capture: CaptureSpec = Field(default=CaptureSpec(), description="What is logged.")
    drift: Drift = Field(default=Drift(), description="When features and outputs have drifted.")
    quality: Quality | None = Field(default=None, description="What the model must be worth once labels have come.")
    business: Annotated[list[BusinessMetric], Field(max_length=MOST_BUSINESS)] = Field(
        default=[], description="Business events that are reported per version.", json_schema_extra=keyed_by("name")
    )
    alerts: Alerts | None = Field(default=None, description="Who is told of incidents; absent means nobody.")

    @field_validator("window")
    @classmethod
    def _divides_a_day(cls, text: str) -> str:
        length = seconds(text)
        if (
            not re.fullmatch(CLOCK_FORM, text)
            or not SHORTEST_WINDOW_SECONDS <= length <= DAY_SECONDS
            or DAY_SECONDS % length
        ):
            raise ValueError(_WINDOW)
        return text

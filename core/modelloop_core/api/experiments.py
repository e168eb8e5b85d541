"""`spec.rollout.ab` of an MLModel: two versions side by side until it is known which one does better."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from modelloop_core.api.fields import CLOCK_FORM, APIObject, Duration, rules, seconds
from modelloop_core.feature_schema import Task
from modelloop_core.wire.evidence import COMPARED_METRICS, OUTPUT_METRICS
from modelloop_core.wire.settings import METRICS

if TYPE_CHECKING:
    from modelloop_core.api.monitoring import Monitoring
    from modelloop_core.api.rollout import Rollout

LONGEST_SECONDS = 14 * 86_400
_LONGEST = "maxDuration must be in d, or in s, m or h, longer than zero and at most 14d"
_OF_AB = "ab is for strategy AB, and AB needs it: it names the metric that decides"
_METRIC = (
    f"rollout.ab.metric must be {', '.join((*COMPARED_METRICS, *OUTPUT_METRICS))}, or an event of monitoring.business"
)
_BETTER = (
    f"rollout.ab.better must say whether Higher or Lower is better of {' and '.join(OUTPUT_METRICS)}, may say so of a "
    "business event, and must not of a quality metric, which is known"
)
_QUALITY = ", ".join(f"'{metric}'" for metric in COMPARED_METRICS)
_OUTPUTS = ", ".join(f"'{metric}'" for metric in OUTPUT_METRICS)
_NONE = "!has(self.rollout) || !has(self.rollout.ab)"

_OF_TASK = {
    Task.BINARY: tuple(m for m in METRICS[Task.BINARY] if m in COMPARED_METRICS) + OUTPUT_METRICS,
    Task.MULTICLASS: tuple(m for m in METRICS[Task.MULTICLASS] if m in COMPARED_METRICS),
    Task.REGRESSION: (*(m for m in METRICS[Task.REGRESSION] if m in COMPARED_METRICS), "mean_prediction"),
}
_TASK = "rollout.ab.metric is none of this task: " + "; ".join(
    f"{task.value} has {', '.join(metrics)}" for task, metrics in _OF_TASK.items()
)
_TASKS = str({task.value: list(metrics) for task, metrics in _OF_TASK.items()})

EXPERIMENT_RULES = (
    (
        f"{_NONE} || self.rollout.ab.metric in [{_QUALITY}, {_OUTPUTS}] || (has(self.monitoring) "
        "&& has(self.monitoring.business) && self.monitoring.business.exists(e, e.name == self.rollout.ab.metric))",
        _METRIC,
    ),
    (
        f"{_NONE} || (has(self.rollout.ab.better) ? !(self.rollout.ab.metric in [{_QUALITY}]) "
        f": !(self.rollout.ab.metric in [{_OUTPUTS}]))",
        _BETTER,
    ),
    (
        f"{_NONE} || !has(self.task) || !(self.rollout.ab.metric in [{_QUALITY}, {_OUTPUTS}]) "
        f"|| self.rollout.ab.metric in {_TASKS}[self.task]",
        _TASK,
    ),
)
"""Rules of a spec as a whole."""

AB_RULE = ("has(self.ab) == (has(self.strategy) && self.strategy == 'AB')", _OF_AB)


class AB(APIObject):
    """An A/B test: the split is held until one version is shown to be better, or its time is over."""

    split: int = Field(default=50, ge=1, le=99, description="Share of the traffic of the new version, in percent.")
    metric: str = Field(
        min_length=1,
        max_length=63,
        description="What decides: accuracy, auc, brier, log_loss or mae (by labels), positive_rate or mean_prediction "
        "(of the answers), or the name of an event of spec.monitoring.business.",
    )
    better: Literal["Higher", "Lower"] | None = Field(
        default=None,
        description="Whether more or less of it is better. To be said of positive_rate and mean_prediction; of an "
        "event absent means Higher; of quality it is known.",
    )
    falsePositiveRate: float = Field(
        default=0.05,
        ge=0.0001,
        le=0.5,
        description="How often at most a difference is found where there is none, however often one looks.",
        json_schema_extra=rules(("self >= 0.0001", "falsePositiveRate is at least 0.0001 and at most 0.5")),
    )
    maxDuration: Duration = Field(
        default="14d",
        description="How long the split is held without a decision; at most 14d.",
        json_schema_extra=rules(
            (
                f"self.matches('^([1-9]|1[0-4])d$') || (self.matches('{CLOCK_FORM}') "
                "&& duration(self) > duration('0s') && duration(self) <= duration('336h'))",
                _LONGEST,
            )
        ),
    )
    onUndecided: Literal["RollBack", "Promote", "Hold"] = Field(
        default="RollBack",
        description="What happens then: keep the live version, go on with the new one, or wait for a person.",
    )

    @property
    def higher(self) -> bool:
        """Whether more of it is better, of what is no quality metric."""
        return self.better != "Lower"

    @field_validator("maxDuration")
    @classmethod
    def _within_bounds(cls, text: str) -> str:
        form = re.fullmatch(CLOCK_FORM, text) or re.fullmatch("([1-9]|1[0-4])d", text)
        if not form or not 0 < seconds(text) <= LONGEST_SECONDS:
            raise ValueError(_LONGEST)
        return text


def wrong_strategy(rollout: Rollout) -> str:
    """What is wrong with ab by itself; empty when all is well."""
    return "" if (rollout.ab is not None) == (rollout.strategy == "AB") else _OF_AB


def wrong_experiment(rollout: Rollout | None, monitoring: Monitoring, task: Task | None) -> str:
    """What of an A/B test its monitoring cannot tell, or this task does not have; empty when all is well."""
    ab = rollout.ab if rollout is not None else None
    if ab is None:
        return ""
    quality, output = ab.metric in COMPARED_METRICS, ab.metric in OUTPUT_METRICS
    if not quality and not output and all(event.name != ab.metric for event in monitoring.business):
        return _METRIC
    if task is not None and (quality or output) and ab.metric not in _OF_TASK[task]:
        return _TASK
    wrong = quality if ab.better is not None else output
    return _BETTER if wrong else ""

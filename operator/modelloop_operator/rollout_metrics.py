"""Metrics of single MLModels: the shares of their versions, and how their rollouts stand and ended.

They are made when they are scraped, from a few words for each model: a gauge for each series would cost the memory of
thousands of objects. What is gone from a model's status is gone from them, and so is a model that was deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from modelloop_core.api import MLModel, MLModelStatus
from modelloop_operator.cluster.cache import Key

_MODEL = ("namespace", "model", "version")
_Labels = tuple[str, ...]


class _Words(NamedTuple):
    """Label values and value of a model's series, beyond its own name."""

    weights: tuple[tuple[_Labels, float], ...] = ()
    rollout: tuple[tuple[_Labels, float], ...] = ()
    verdict: tuple[tuple[_Labels, float], ...] = ()
    ended: tuple[tuple[_Labels, float], ...] = ()


class RolloutMetrics(Collector):
    """At most five series for each MLModel, from what was noted of it last."""

    def __init__(self) -> None:
        self._models: dict[Key, _Words] = {}

    def note(self, model: MLModel) -> None:
        """Show an MLModel as its status is now."""
        self._models[model.metadata.namespace, model.metadata.name] = _words(model.status)

    def forget(self, key: Key) -> None:
        """An MLModel is gone."""
        self._models.pop(key, None)

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client: all series as they are now."""
        for place, (name, text, labels) in enumerate(_FAMILIES):
            family = GaugeMetricFamily(name, text, labels=[*_MODEL, *labels])
            for key, words in self._models.items():
                for values, value in words[place]:
                    family.add_metric([*key, *values], value)
            yield family


_FAMILIES = (
    ("modelloop_operator_rollout_weight", "Share of the traffic that was asked for, in percent.", ("role",)),
    (
        "modelloop_operator_rollout_info",
        "1 while a version is on its way; what it waits for.",
        ("against", "strategy", "waits_for"),
    ),
    ("modelloop_operator_rollout_verdict", "1 for what the evidence says of a version on its way.", ("verdict",)),
    (
        "modelloop_operator_rollout_ended_timestamp_seconds",
        "When the last rollout ended, and how.",
        ("outcome", "reason"),
    ),
)


def _words(status: MLModelStatus) -> _Words:
    stable, candidate, rollout = status.stable, status.candidate, status.rollout
    roles = (("stable", stable), ("candidate", candidate if stable is not None else None))
    weights = [((block.version, role), float(block.requestedWeight)) for role, block in roles if block is not None]
    if rollout is None or candidate is None or stable is None:
        return _Words(tuple(weights), ended=tuple(_ended(status)))
    waits = (candidate.version, stable.version, rollout.strategy, rollout.waitsFor or "Pods")
    verdict = (candidate.version, rollout.verdict or "none")
    return _Words(tuple(weights), ((waits, 1.0),), ((verdict, 1.0),), tuple(_ended(status)))


def _ended(status: MLModelStatus) -> Iterable[tuple[_Labels, float]]:
    for last in status.pastRollouts[-1:]:
        yield (last.version, last.outcome.value, last.reason), datetime.fromisoformat(last.until).timestamp()

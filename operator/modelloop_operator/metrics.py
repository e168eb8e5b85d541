"""The operator's Prometheus metrics; the registry is passed in."""

from __future__ import annotations

from collections import Counter as Tally

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from modelloop_core.api import MLModel
from modelloop_operator.cluster.cache import Key
from modelloop_operator.cluster.kinds import Kind
from modelloop_operator.decide.decisions import Decision
from modelloop_operator.rollout_metrics import RolloutMetrics


class Metrics:
    """Counters and gauges with few labels: of those that name a single model see `rollout_metrics`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.passes = Counter("modelloop_operator_passes_total", "Passes by outcome.", ["outcome"], registry=registry)
        self.pass_seconds = Histogram("modelloop_operator_pass_seconds", "Time of one pass.", registry=registry)
        self.waited = Histogram(
            "modelloop_operator_queue_wait_seconds", "Time from an event to the pass it asked for.", registry=registry
        )
        self.queue = Gauge("modelloop_operator_queue_length", "MLModels that wait for a pass.", registry=registry)
        self.leading = Gauge("modelloop_operator_leading", "1 while this replica acts.", registry=registry)
        self._decisions = Counter(
            "modelloop_operator_decisions_total",
            "Decisions by kind and reason.",
            ["decision", "reason"],
            registry=registry,
        )
        self._writes = Counter(
            "modelloop_operator_writes_total",
            "Writes to the API server by verb and kind.",
            ["verb", "kind"],
            registry=registry,
        )
        self._reads = Counter(
            "modelloop_operator_monitor_reads_total",
            "Reports read from the monitor by outcome.",
            ["outcome"],
            registry=registry,
        )
        self.captures_removed = Counter(
            "modelloop_operator_captures_removed_total",
            "Files of logged predictions that were removed after their retention.",
            registry=registry,
        )
        self._drift = Gauge(
            "modelloop_operator_models_by_drift",
            "MLModels by drift; unknown where nobody judged it yet.",
            ["level"],
            registry=registry,
        )
        self._models = Gauge("modelloop_operator_models", "MLModels by phase.", ["phase"], registry=registry)
        self._rollouts = Gauge(
            "modelloop_operator_models_by_rollout",
            "MLModels by what their rollout waits for; none where no version is on its way.",
            ["waits_for"],
            registry=registry,
        )
        self._of_models = RolloutMetrics()
        registry.register(self._of_models)
        self._words: dict[Key, tuple[str, str, str]] = {}

    def decided(self, decision: Decision) -> None:
        """Count one decision."""
        self._decisions.labels(type(decision).__name__, decision.reason).inc()

    def wrote(self, verb: str, kind: Kind) -> None:
        """Count one write."""
        self._writes.labels(verb, kind.kind).inc()

    def asked(self, outcome: str) -> None:
        """Count one request to the monitor."""
        self._reads.labels(outcome).inc()

    def observed(self, model: MLModel) -> None:
        """Note the phase, the drift and the rollout of an MLModel."""
        self._of_models.note(model)
        key, status = (model.metadata.namespace, model.metadata.name), model.status
        rollout = (status.rollout.waitsFor or "Pods") if status.rollout else "none"
        found = (status.phase, status.drift.level if status.drift else "unknown", rollout)
        if self._words.get(key) != found:
            self._words[key] = found
            self._count()

    def forget(self, key: Key) -> None:
        """An MLModel is gone."""
        self._of_models.forget(key)
        if self._words.pop(key, None) is not None:
            self._count()

    def _count(self) -> None:
        for place, gauge in enumerate((self._models, self._drift, self._rollouts)):
            gauge.clear()
            for word, count in Tally(found[place] for found in self._words.values()).items():
                gauge.labels(word).set(count)

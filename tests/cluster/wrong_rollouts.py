"""Rows of what the API server must refuse of spec.rollout, with field and reason."""

from __future__ import annotations

from typing import Any

from cluster.wrong_pods import wrong


def wrong_rollout(field: str, value: Any, at: str, told: str, *, id: str) -> Any:  # noqa: A002 - pytest's own word
    """A row: put `value` at `field` of spec.rollout, and expect an error at `at` below it."""
    return wrong(f"spec.rollout.{field}", value, f"spec.rollout{at}", told, id=id)


REFUSED_OF_ROLLOUTS = [
    *(
        wrong_rollout("steps", [{"weight": weight} for weight in weights], ".steps", "must rise", id=f"steps {weights}")
        for weights in ([50, 5], [5, 5], [5, 50, 25])
    ),
    wrong_rollout("steps", [], ".steps", "at least 1 items", id="no step"),
    wrong_rollout("steps", [{"weight": n + 1} for n in range(17)], ".steps", "at most 16", id="too many steps"),
    wrong_rollout("steps", [{"hold": "1h"}], ".steps[0].weight", "Required", id="a step without a weight"),
    wrong_rollout("steps", [{"weight": 100}], ".steps[0].weight", "less than or equal to 99", id="all of it as a step"),
    wrong_rollout("steps", [{"weight": 0}], ".steps[0].weight", "greater than or equal to 1", id="nothing as a step"),
    wrong_rollout("steps", [{"weight": 5, "hold": "soon"}], ".steps[0].hold", "should match", id="a hold of words"),
    wrong_rollout("strategy", "AB", ".strategy", 'supported values: "Canary", "BlueGreen"', id="a strategy"),
    wrong_rollout("onInconclusive", "Promote", ".onInconclusive", "supported values", id="promotion on silence"),
    *(
        wrong_rollout("progressDeadline", text, ".progressDeadline", "at least 30s", id=f"a deadline of {text}")
        for text in ("29s", "25h", "1d", "500ms")
    ),
    *(
        wrong_rollout("analysis", {"interval": text}, ".analysis.interval", "at most 1h", id=f"every {text}")
        for text in ("0s", "2h", "100ms")
    ),
    wrong_rollout("analysis", {"minRequests": 0}, ".analysis.minRequests", "or equal to 1", id="no requests"),
    wrong_rollout("analysis", {"maxErrorRate": 1}, ".analysis.maxErrorRate", "at most 0.99", id="all may fail"),
    wrong_rollout("analysis", {"maxErrorRate": 0}, ".analysis.maxErrorRate", "at least 0.000001", id="none may fail"),
    wrong_rollout("analysis", {"maxPredictionPSI": 0}, ".analysis.maxPredictionPSI", "at least 0.001", id="no shift"),
    wrong_rollout("analysis", {"maxErrorIncrease": 0.9}, ".analysis.maxErrorIncrease", "or equal to 1", id="fewer"),
    wrong_rollout("analysis", {"maxLatencyP95": "11s"}, ".analysis.maxLatencyP95", "at most 10s", id="too slow"),
    wrong_rollout("analysis", {"maxLatencyP95": "0ms"}, ".analysis.maxLatencyP95", "longer than zero", id="no time"),
    wrong_rollout("analysis", {"falseRollbackRate": 0}, ".analysis.falseRollbackRate", "at least 0.000001", id="never"),
    wrong_rollout("analysis", {"metrics": []}, ".analysis.metrics", "unknown field", id="metrics of one's own"),
]

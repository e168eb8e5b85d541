"""Rows of what the API server must refuse of spec.rollout, with field and reason."""

from __future__ import annotations

from typing import Any

from cluster.wrong_pods import wrong


def wrong_rollout(field: str, value: Any, at: str, told: str, *, id: str) -> Any:  # noqa: A002 - pytest's own word
    """A row: put `value` at `field` of spec.rollout, and expect an error at `at` below it, or of the spec."""
    return wrong(f"spec.rollout.{field}", value, f"spec.rollout{at}" if at else "spec", told, id=id)


def kept(retention: str, delay: str = "24h") -> dict[str, Any]:
    """Monitoring that keeps what is logged for so long, and waits so long for labels."""
    quality = {"metric": "accuracy", "min": 0.5, "labelDelay": delay}
    return {"capture": {"retention": retention}, "quality": quality}


REGISTRY = {"registry": {"uri": "s3://models/churn"}}
UNLOGGED = {"capture": {"predictions": 0}}
QUALITY = {"quality": {"metric": "accuracy", "min": 0.5}}
CLICKS = {"business": [{"name": "clicks", "kind": "rate"}]}
CLICKED = {"strategy": "AB", "ab": {"metric": "clicks", "maxDuration": "2h"}}
LOGGED = "capture.predictions must be above 0"
KEPT = "retention must be at least as long as"

REFUSED_OF_ROLLOUTS = [
    *(
        wrong_rollout("steps", [{"weight": weight} for weight in weights], ".steps", "must rise", id=f"steps {weights}")
        for weights in ([50, 5], [5, 5], [5, 50, 25])
    ),
    wrong_rollout("steps", [], ".steps", "at least 1 items", id="no step"),
    wrong_rollout("steps", [{"weight": n + 1} for n in range(17)], ".steps", "at most 16", id="too many steps"),
    wrong_rollout("steps", [{"hold": "1h"}], ".steps[0]", "either a weight or a mirror", id="a step of nothing"),
    wrong_rollout(
        "steps", [{"weight": 5, "mirror": 5}], ".steps[0]", "either a weight or a mirror", id="a step of both"
    ),
    wrong_rollout("steps", [{"mirror": 101}], ".steps[0].mirror", "or equal to 100", id="more copies than requests"),
    *(
        wrong_rollout("steps", steps, ".steps", "must rise", id=f"steps {steps}")
        for steps in (
            [{"weight": 5}, {"mirror": 10}],
            [{"mirror": 50}, {"mirror": 10}],
            [{"mirror": 10}, {"mirror": 10}, {"weight": 5}],
        )
    ),
    wrong_rollout("analysis", {"minAgreement": 0.9}, "", "needs a step with mirror", id="agreement without copies"),
    wrong_rollout("analysis", {"minAgreement": 1}, ".analysis.minAgreement", "at most 0.9999", id="all must agree"),
    wrong_rollout("steps", [{"weight": 100}], ".steps[0].weight", "less than or equal to 99", id="all of it as a step"),
    wrong_rollout("steps", [{"weight": 0}], ".steps[0].weight", "greater than or equal to 1", id="nothing as a step"),
    wrong_rollout("steps", [{"weight": 5, "hold": "soon"}], ".steps[0].hold", "should match", id="a hold of words"),
    wrong_rollout("staging", {"replay": 10_001}, ".staging.replay", "or equal to 10000", id="too many replays"),
    wrong_rollout("staging", {"replay": -1}, ".staging.replay", "or equal to 0", id="fewer replays than none"),
    wrong_rollout("staging", {"hold": "a while"}, ".staging.hold", "should match", id="a staging hold of words"),
    wrong_rollout("strategy", "Shadow", ".strategy", 'supported values: "Canary", "AB", "BlueGreen"', id="a strategy"),
    wrong_rollout("strategy", "AB", "", "AB needs it: it names the metric that decides", id="a test of nothing"),
    *(
        wrong("spec.rollout", {"strategy": "AB", "ab": {"metric": "mae", **ab}}, f"spec{at}", told, id=f"a test {ab}")
        for ab, at, told in (
            ({"split": 100}, ".rollout.ab.split", "less than or equal to 99"),
            ({"maxDuration": "15d"}, ".rollout.ab.maxDuration", "at most 14d"),
            ({"maxDuration": "0s"}, ".rollout.ab.maxDuration", "longer than zero"),
            ({"falsePositiveRate": 0}, ".rollout.ab.falsePositiveRate", "at least 0.0001"),
            ({"onUndecided": "Guess"}, ".rollout.ab.onUndecided", "supported values"),
            ({"metric": "clicks"}, "", "or an event of monitoring.business"),
            ({"metric": "rmse"}, "", "or an event of monitoring.business"),
            ({"better": "Higher"}, "", "must not of a quality metric"),
            ({"metric": "mean_prediction"}, "", "must say whether Higher or Lower is better"),
        )
    ),
    *(
        wrong(
            "spec",
            {**REGISTRY, "task": task, "rollout": {"strategy": "AB", "ab": {"metric": metric, **better}}},
            "spec",
            "is none of this task",
            id=f"a test of {task} on {metric}",
        )
        for task, metric, better in (
            ("regression", "accuracy", {}),
            ("multiclass", "auc", {}),
            ("binary", "mae", {}),
            ("regression", "positive_rate", {"better": "Higher"}),
            ("multiclass", "mean_prediction", {"better": "Higher"}),
        )
    ),
    *(
        wrong("spec", {**REGISTRY, "monitoring": monitoring, "rollout": rollout}, "spec", told, id=name)
        for monitoring, rollout, told, name in (
            (
                UNLOGGED,
                {"steps": [{"mirror": 9}], "analysis": {"minAgreement": 0.9}},
                LOGGED,
                "copies of which none is logged",
            ),
            (
                {**UNLOGGED, **QUALITY},
                {"analysis": {"maxQualityDrop": 0.1}},
                LOGGED,
                "labels of nothing that is logged",
            ),
            (
                {**UNLOGGED, **CLICKS},
                {"analysis": {"business": [{"name": "clicks", "maxDrop": 0.1}]}},
                LOGGED,
                "less of events",
            ),
            (
                UNLOGGED,
                {"strategy": "AB", "ab": {"metric": "mae"}},
                LOGGED,
                "a test by labels of nothing that is logged",
            ),
            (
                {**UNLOGGED, **CLICKS},
                {"strategy": "AB", "ab": {"metric": "clicks"}},
                LOGGED,
                "a test by events of nothing",
            ),
            (
                {"capture": {"features": 0}},
                {"staging": {"replay": 500}},
                "features must be above 0",
                "a replay of nothing",
            ),
            (
                {"capture": {"features": 0}},
                {"staging": {}},
                "or rollout.staging.replay 0",
                "a replay of nothing by default",
            ),
            (kept("14d"), {"strategy": "AB", "ab": {"metric": "accuracy"}}, KEPT, "a test that outlives its labels"),
            (kept("14d", "1ms"), {"strategy": "AB", "ab": {"metric": "accuracy"}}, KEPT, "by a thousandth"),
            (kept("1d"), {"strategy": "AB", "ab": {"metric": "accuracy", "maxDuration": "1h"}}, KEPT, "a day, an hour"),
            ({"capture": {"retention": "2h59m59s"}, **CLICKS}, CLICKED, KEPT, "a test that outlives its events"),
        )
    ),
    wrong(
        "spec",
        {**REGISTRY, "monitoring": QUALITY, "rollout": {"strategy": "BlueGreen", "analysis": {"maxQualityDrop": 0.1}}},
        "spec.rollout",
        "BlueGreen moves all traffic at once",
        id="worse beside what has no traffic",
    ),
    wrong(
        "spec.rollout",
        {"strategy": "BlueGreen", "analysis": {"business": []}},
        "spec.rollout",
        "BlueGreen moves all traffic at once",
        id="no limit beside what has no traffic",
    ),
    *(
        wrong_rollout(field, value, f".{at}", "at most ten years, 3650d", id=f"{at} for longer than anybody lives")
        for field, value, at in (
            ("steps", [{"weight": 5, "hold": "3650d1ms"}], "steps[0].hold"),
            ("staging", {"hold": "87601h"}, "staging.hold"),
            ("inconclusiveDeadline", "9999999d", "inconclusiveDeadline"),
            ("keepWarm", "3649d24h1s", "keepWarm"),
        )
    ),
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
    *(
        wrong_rollout("analysis", {"metrics": metrics}, f".analysis.metrics{at}", told, id=name)
        for metrics, at, told, name in (
            ([{"name": "p99", "promql": "up"}], "[0]", "either max or min", "a metric without a limit"),
            ([{"name": "p99", "promql": "up", "max": 1, "min": 0}], "[0]", "either max or min", "with two limits"),
            ([{"name": "P99", "promql": "up", "max": 1}], "[0].name", "should match", "a metric's name"),
            ([{"name": "p99", "promql": "", "max": 1}], "[0].promql", "at least 1 chars", "no question"),
            (
                [{"name": "p99", "promql": "up{v='{{a}}'}", "max": 1}],
                "[0]",
                "in double braces",
                "a word nobody knows",
            ),
            ([{"name": "p99", "promql": "up", "max": 1}] * 2, "[1]", "Duplicate value", "a name twice"),
            ([{"name": f"m{n}", "promql": "up", "max": 1} for n in range(11)], "", "at most 10", "too many metrics"),
        )
    ),
    wrong_rollout("analysis", {"maxQualityDrop": 0.02}, "", "needs monitoring.quality", id="worse by what metric"),
    wrong_rollout("analysis", {"maxQualityDrop": 0}, ".analysis.maxQualityDrop", "at least 0.000001", id="no worse"),
    wrong_rollout(
        "analysis",
        {"business": [{"name": "clicks", "maxDrop": 0.1}]},
        "",
        "must name events of monitoring.business",
        id="an event that nobody watches",
    ),
    *(
        wrong_rollout(
            "analysis",
            {"business": [{"name": "a", "maxDrop": drop}]},
            ".analysis.business[0].maxDrop",
            "at least 0.000001 and at most 0.99",
            id=f"less by {drop}",
        )
        for drop in (0, 1)
    ),
    wrong_rollout("analysis", {"onNoReference": "Pass"}, ".analysis.onNoReference", "supported values", id="a pass"),
]

"""Rows of what the API server must refuse of spec.monitoring, with field and reason."""

from __future__ import annotations

from typing import Any

from cluster.wrong_pods import wrong

AGE = {"name": "age", "role": "key"}


def wrong_monitoring(field: str, value: Any, at: str, told: str, *, id: str) -> Any:  # noqa: A002 - pytest's own word
    """A row: put `value` at `field` of spec.monitoring, and expect an error at `at` below it."""
    return wrong(f"spec.monitoring.{field}", value, f"spec.monitoring{at}", told, id=id)


REFUSED_OF_MONITORING = [
    *(
        wrong_monitoring("window", text, ".window", told, id=f"a window of {text}")
        for text, told in (
            ("7h", "divide a day"),
            ("5s", "from 10s to 24h"),
            ("48h", "from 10s to 24h"),
            ("1d", "must be in s, m or h"),
            ("90m30s", "divide a day"),
            ("hour", "should match"),
        )
    ),
    *(
        wrong_monitoring(
            "business",
            [{"name": "a", "kind": "sum", "delay": text}],
            ".business[0].delay",
            "at most 720h",
            id=f"events within {text}",
        )
        for text in ("721h", "1d", "100ms")
    ),
    wrong_monitoring("capture", {"predictions": 1.1}, ".capture.predictions", "less than or equal to 1", id="over all"),
    wrong_monitoring("capture", {"features": -0.1}, ".capture.features", "greater than or equal to 0", id="under none"),
    wrong_monitoring("capture", {"features": "all"}, ".capture.features", "must be of type number", id="a share"),
    wrong_monitoring("capture", {"retention": "0d"}, ".capture.retention", "longer than zero", id="logs for no time"),
    wrong_monitoring("capture", {"maxRowsPerSecond": 0}, ".capture.maxRowsPerSecond", "or equal to 1", id="no rows"),
    wrong_monitoring("capture", {"exclude": ["a", "a"]}, ".capture.exclude[1]", "Duplicate", id="excluded twice"),
    wrong_monitoring(
        "drift", {"moderate": 0.2, "significant": 0.2}, ".drift", "must be below drift.significant", id="equal bands"
    ),
    wrong_monitoring("drift", {"moderate": 0.5}, ".drift", "must be below drift.significant", id="above the default"),
    wrong_monitoring("drift", {"moderate": 0}, ".drift.moderate", "at least 0.001", id="a band of zero"),
    wrong_monitoring("drift", {"minSamples": 0}, ".drift.minSamples", "greater than or equal to 1", id="no samples"),
    wrong_monitoring("drift", {"falseAlarmRate": 0}, ".drift.falseAlarmRate", "at least 0.000001", id="no false alarm"),
    wrong_monitoring(
        "drift",
        {"features": [{**AGE, "significant": 0.1}]},
        ".drift",
        "a feature's significant must be above drift.moderate",
        id="a feature's band below moderate",
    ),
    wrong_monitoring("drift", {"features": [AGE, AGE]}, ".drift.features[1]", "Duplicate value", id="a feature twice"),
    wrong_monitoring(
        "drift", {"features": [{**AGE, "role": "main"}]}, ".drift.features[0].role", "supported values", id="a role"
    ),
    wrong_monitoring(
        "drift", {"features": [{**AGE, "method": "t-test"}]}, ".drift.features[0].method", '"psi"', id="a method"
    ),
    wrong_monitoring("quality", {"metric": "auc"}, ".quality", "give min for accuracy, auc", id="no bound"),
    wrong_monitoring(
        "quality", {"metric": "auc", "min": 0.7, "max": 0.9}, ".quality", "exactly one of them", id="both bounds"
    ),
    wrong_monitoring("quality", {"metric": "auc", "max": 0.7}, ".quality", "are to be high", id="most of what is good"),
    wrong_monitoring("quality", {"metric": "mae", "min": 0.7}, ".quality", "are to be low", id="fewest of what is bad"),
    wrong_monitoring("quality", {"metric": "luck", "min": 1}, ".quality.metric", "supported values", id="a metric"),
    wrong(
        "spec",
        {
            "registry": {"uri": "s3://models/churn"},
            "task": "regression",
            "monitoring": {"quality": {"metric": "auc", "min": 0.7}},
        },
        "spec",
        "regression has mae, rmse",
        id="a metric of another task",
    ),
    wrong_monitoring("business", [{"name": "Revenue", "kind": "sum"}], ".business[0].name", "match", id="a capital"),
    wrong_monitoring("business", [{"name": "clicks"}], ".business[0].kind", "Required value", id="an event of no kind"),
    wrong_monitoring("alerts", {"severity": "critical"}, ".alerts", "would reach nobody", id="alerts to nobody"),
    wrong_monitoring(
        "alerts", {"webhook": {"url": "http://a"}}, ".alerts.webhook", "unknown field", id="an address in the open"
    ),
    wrong_monitoring(
        "alerts", {"alertmanager": {"url": "alertmanager:9093"}}, ".alerts.alertmanager.url", "match", id="no http"
    ),
    wrong_monitoring("enabled", True, ".enabled", "unknown field", id="a field that does not exist"),
]

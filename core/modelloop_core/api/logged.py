"""What of a rollout needs what predictors log: predictions that labels and events find, features that are replayed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelloop_core.api.fields import cel_milliseconds, seconds
from modelloop_core.wire.evidence import COMPARED_METRICS, OUTPUT_METRICS

if TYPE_CHECKING:
    from modelloop_core.api.monitoring import Monitoring
    from modelloop_core.api.rollout import Rollout

_PREDICTIONS = (
    "monitoring.capture.predictions must be above 0: rollout.analysis.maxQualityDrop, analysis.business, minAgreement "
    "of steps with mirror, and A/B tests by labels or events are judged by logged predictions"
)
_FEATURES = (
    "monitoring.capture.features must be above 0, or rollout.staging.replay 0: captured requests are what is asked "
    "again"
)
_RETENTION = (
    "monitoring.capture.retention must be at least as long as rollout.ab.maxDuration and what labels or the event may "
    "take (monitoring.quality.labelDelay, or the event's delay) together: a test is decided by what is kept"
)
_QUALITY = ", ".join(f"'{metric}'" for metric in COMPARED_METRICS)
_OUTPUTS = ", ".join(f"'{metric}'" for metric in OUTPUT_METRICS)
_CAPTURE = "self.monitoring.capture"
_NO = f"!has(self.rollout) || !has(self.monitoring) || !has({_CAPTURE}) || !has({_CAPTURE}"
_ANALYSIS, _AB = "self.rollout.analysis", "self.rollout.ab"
_BY_THE_LOG = (
    f"(has({_ANALYSIS}) && (has({_ANALYSIS}.maxQualityDrop) "
    f"|| (has({_ANALYSIS}.business) && size({_ANALYSIS}.business) > 0) "
    f"|| (has({_ANALYSIS}.minAgreement) && has(self.rollout.steps) && self.rollout.steps.exists(s, has(s.mirror))))) "
    f"|| (has({_AB}) && !({_AB}.metric in [{_OUTPUTS}]))"
)
_LATE = (
    f"({_AB}.metric in [{_QUALITY}] "
    "? (has(self.monitoring.quality) && has(self.monitoring.quality.labelDelay) "
    "? [self.monitoring.quality.labelDelay] : []) "
    ": (has(self.monitoring.business) "
    f"? self.monitoring.business.filter(e, e.name == {_AB}.metric).map(e, has(e.delay) ? e.delay : '1h') : []))"
)

LOGGED_RULES = (
    (f"{_NO}.predictions) || {_CAPTURE}.predictions > 0.0 || !({_BY_THE_LOG})", _PREDICTIONS),
    (
        f"{_NO}.features) || {_CAPTURE}.features > 0.0 || !has(self.rollout.staging) "
        "|| !has(self.rollout.staging.replay) || self.rollout.staging.replay == 0",
        _FEATURES,
    ),
    (
        f"{_NO}.retention) || !has({_AB}) || !has({_AB}.maxDuration) || {_AB}.metric in [{_OUTPUTS}] "
        f"|| [([{_CAPTURE}.retention, {_AB}.maxDuration] + {_LATE}).map(d, {cel_milliseconds('d')})]"
        ".all(lengths, 2 * lengths[0] >= lengths.sum())",
        _RETENTION,
    ),
)
"""Rules of a spec as a whole."""


def wrong_logging(rollout: Rollout | None, monitoring: Monitoring) -> str:
    """What of a spec's rollout its capture does not keep; empty when all is well."""
    if rollout is None:
        return ""
    capture = monitoring.capture
    if capture.predictions == 0 and _needs_predictions(rollout):
        return _PREDICTIONS
    if capture.features == 0 and rollout.replays:
        return _FEATURES
    return "" if _kept_through(rollout, monitoring) else _RETENTION


def _needs_predictions(rollout: Rollout) -> bool:
    analysis, ab = rollout.analysis, rollout.ab
    of_copies = analysis.minAgreement is not None and rollout.mirrors
    tested = ab is not None and ab.metric not in OUTPUT_METRICS
    return analysis.maxQualityDrop is not None or bool(analysis.business) or of_copies or tested


def _kept_through(rollout: Rollout, monitoring: Monitoring) -> bool:
    ab = rollout.ab
    if ab is None or ab.metric in OUTPUT_METRICS:
        return True
    late: float = sum(event.delay_seconds for event in monitoring.business if event.name == ab.metric)
    if ab.metric in COMPARED_METRICS:
        late = seconds(monitoring.quality.labelDelay) if monitoring.quality is not None else 0
    return seconds(monitoring.capture.retention) >= seconds(ab.maxDuration) + late

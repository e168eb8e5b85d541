"""What of a rollout is compared beyond its traffic: the quality metric and business events that monitoring names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from modelloop_core.api.fields import APIObject, rules
from modelloop_core.wire.evidence import COMPARED_METRICS

if TYPE_CHECKING:
    from modelloop_core.api.monitoring import Monitoring
    from modelloop_core.api.rollout import Rollout

_METRICS = ", ".join(f"'{metric}'" for metric in COMPARED_METRICS)
_QUALITY = (
    "rollout.analysis.maxQualityDrop needs monitoring.quality, with a metric by which two versions can be "
    f"compared at any time: {', '.join(COMPARED_METRICS)}"
)
_BUSINESS = "rollout.analysis.business must name events of monitoring.business"
_ASKED = "!has(self.rollout) || !has(self.rollout.analysis) || !has(self.rollout.analysis"

COMPARING_RULES = (
    (
        f"{_ASKED}.maxQualityDrop) || (has(self.monitoring) && has(self.monitoring.quality) "
        f"&& self.monitoring.quality.metric in [{_METRICS}])",
        _QUALITY,
    ),
    (
        f"{_ASKED}.business) || self.rollout.analysis.business.all(limit, has(self.monitoring) "
        "&& has(self.monitoring.business) && self.monitoring.business.exists(event, event.name == limit.name))",
        _BUSINESS,
    ),
)
"""Rules of a spec as a whole."""


class BusinessLimit(APIObject):
    """How much less of a business event a new version may bring."""

    name: str = Field(max_length=63, description="Name of an event of spec.monitoring.business.")
    maxDrop: float = Field(
        ge=0.000001,
        le=0.99,
        description="Part of the live version's rate, or sum for each request, that it may lack: 0.05 is 5 % less.",
        json_schema_extra=rules(("self >= 0.000001 && self <= 0.99", "maxDrop is at least 0.000001 and at most 0.99")),
    )


def wrong_comparison(rollout: Rollout | None, monitoring: Monitoring) -> str:
    """What of a spec's rollout its monitoring cannot tell; empty when all is well."""
    if rollout is None:
        return ""
    analysis, quality = rollout.analysis, monitoring.quality
    if analysis.maxQualityDrop is not None and (quality is None or quality.metric not in COMPARED_METRICS):
        return _QUALITY
    return "" if _known(analysis.business or (), monitoring) else _BUSINESS


def _known(limits: Sequence[BusinessLimit], monitoring: Monitoring) -> bool:
    names = {event.name for event in monitoring.business}
    return all(limit.name in names for limit in limits)

"""`status.rollout.figures` of an MLModel: what a rollout is judged by, in a few numbers for people."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from modelloop_core.api.fields import APIObject
from modelloop_core.wire.settings import MOST_BUSINESS


class _Figures(APIObject):
    # Read back from a newer or older operator too: what is unknown is dropped, never fatal.
    model_config = ConfigDict(frozen=True, extra="ignore")


class VersionFigures(_Figures):
    """Live traffic of one version since the new one got its first share."""

    requests: int = Field(default=0, description="Requests.")
    errorRate: float | None = Field(default=None, description="Share that the model did not answer.")
    latencyP95: float | None = Field(default=None, description="Seconds within which 95 of 100 were answered.")
    slowShare: float | None = Field(default=None, description="Share slower than maxLatencyP95, where that is given.")


class ComparedFigures(_Figures):
    """A metric of both versions, and how far they differ at 95 %, however often one looks."""

    metric: str = Field(description="Quality metric, business event or measure of the answers.")
    candidate: float | None = Field(default=None, description="Value of the new version; absent before there is one.")
    stable: float | None = Field(default=None, description="Value of the live version.")
    difference: float | None = Field(default=None, description="The new version's less the live one's, by the hour.")
    low: float | None = Field(default=None, description="Least that the difference may be.")
    high: float | None = Field(default=None, description="Most that it may be.")
    winner: Literal["candidate", "stable"] | None = Field(
        default=None, description="Who does better, once an A/B test has shown it."
    )
    note: str | None = Field(default=None, description="Why there is no difference, where the metric cannot be had.")


class RolloutFigures(_Figures):
    """Both versions beside each other, as the monitor said last."""

    candidate: VersionFigures = Field(description="The new version.")
    stable: VersionFigures = Field(description="The live version.")
    predictionPSI: float | None = Field(default=None, description="How far the answers of both lie apart.")
    compared: Annotated[list[ComparedFigures], Field(max_length=MOST_BUSINESS + 1)] = Field(
        default=[],
        description="What is watched of their worth: quality and business events.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    experiment: ComparedFigures | None = Field(default=None, description="The metric that an A/B test decides by.")

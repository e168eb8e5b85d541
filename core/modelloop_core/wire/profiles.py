"""`POST /v1/profiles`: what a predictor has counted since its last post; the monitor applies each post exactly once.

A post is identified by `(source, epoch, sequence)`: the process's pod, its start, and a number that grows by one. The
monitor answers 200 with `applied` false to one that it has already; 428 asks for the reference first
(`PUT /v1/references/{digest}` with the bytes of reference.json), then the post may be sent again.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from modelloop_core.wire.limits import LATENCY_BOUNDS as LATENCY_BOUNDS
from modelloop_core.wire.limits import MOST_BODY_BYTES as MOST_BODY_BYTES
from modelloop_core.wire.limits import MOST_CARD as MOST_CARD
from modelloop_core.wire.limits import MOST_PREDICTIONS as MOST_PREDICTIONS
from modelloop_core.wire.limits import MOST_UNSEEN as MOST_UNSEEN
from modelloop_core.wire.predictions import REQUEST_ID_PATTERN

PROFILES_PATH = "/v1/profiles"
REFERENCES_PATH = "/v1/references"

Count = Annotated[int, Field(ge=0, le=2**40)]
Name = Annotated[str, Field(min_length=1, max_length=253)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ColumnDelta(_Wire):
    """One column's counts and sums by fine bin; `unseen` are the most frequent levels that no bin has, by name."""

    counts: tuple[Count, ...] = Field(min_length=1, max_length=1001)
    sums: tuple[float, ...] = Field(max_length=1001)
    null: Count = 0
    positive_infinite: Count = 0
    negative_infinite: Count = 0
    unseen: dict[str, Count] = Field(default_factory=dict, max_length=MOST_UNSEEN)


class TrafficDelta(_Wire):
    """Live requests by how they ended; `latency` is by bucket (LATENCY_BOUNDS) of those answered, fallbacks included.

    `errors` are by reason, the predictor's own faults and callers who left before the answer (`ClientGone`); `invalid`
    ones were refused for what they asked, `invalid_by` by Fault: one with faults of two kinds counts in both. `rows`
    are those that the model answered; `dropped_rows` are among them, but were not counted in the bins.
    """

    requests: Count = 0
    rows: Count = 0
    errors: dict[Name, Count] = Field(default_factory=dict, max_length=100)
    fallbacks: Count = 0
    invalid: Count = 0
    invalid_by: dict[Name, Count] = Field(default_factory=dict, max_length=20)
    latency: tuple[Count, ...] = (0,) * (len(LATENCY_BOUNDS) + 1)
    latency_sum: float = Field(default=0.0, ge=0, le=1e12)
    dropped_rows: Count = 0


class LoggedPrediction(_Wire):
    """A prediction that labels can find: the probability, value or class that was answered, when, and about whom."""

    request_id: str = Field(pattern=REQUEST_ID_PATTERN)
    row: int = Field(default=0, ge=0, le=2**31 - 1)
    entity: str | None = Field(default=None, max_length=256)
    at: float = Field(ge=0, description="Seconds since 1970 UTC.")
    prediction: float | str | tuple[float, ...]


class ProfilePost(_Wire):
    """One post: counts of `version` of `namespace/name` in the bins of the reference with that digest."""

    schema_version: int = Field(default=1, ge=1, le=1)
    source: Name
    epoch: Name
    sequence: Count
    namespace: Name
    name: Name
    version: Name
    reference: Digest | None = None
    since: AwareDatetime
    until: AwareDatetime
    features: dict[str, ColumnDelta] = Field(default_factory=dict, max_length=4096)
    outputs: dict[str, ColumnDelta] = Field(default_factory=dict, max_length=1000)
    traffic: TrafficDelta = TrafficDelta()
    predictions: tuple[LoggedPrediction, ...] = Field(default=(), max_length=MOST_PREDICTIONS)
    mirrored: TrafficDelta | None = Field(default=None, description="Copies of requests, which are no live traffic.")
    mirrored_predictions: tuple[LoggedPrediction, ...] = Field(
        default=(), max_length=MOST_PREDICTIONS, description="What was answered to copies, to be compared."
    )
    card: str | None = Field(
        default=None, max_length=MOST_CARD, description="The version's card.yaml, for people; with one post an hour."
    )


class ProfileReceipt(_Wire):
    """The monitor's answer: `applied` is false for a post that it had already."""

    applied: bool

"""Bounds that more than one side keeps; apart, as a predictor needs them at every start."""

from __future__ import annotations

LATENCY_BOUNDS = (
    0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0,
    1.5, 2.0, 3.0, 5.0, 10.0,
)  # fmt: skip
"""Upper bounds in seconds of the latency buckets; one more bucket holds what took longer."""

REDIS_URL = r"^rediss?://[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[0-9]{1,4})?$"
"""The form of a Redis' address; user and password belong into a Secret."""

MOST_PREDICTIONS = 20_000
MOST_UNSEEN = 50
MOST_CARD = 64 << 10
"""Characters of a model card that a predictor brings along; a longer one stays in the registry."""

MOST_BODY_BYTES = 16 << 20

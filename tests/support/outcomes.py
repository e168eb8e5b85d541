"""Predictions as a predictor logs them, and the labels and events that follow them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modelloop_core.wire.feedback import EVENTS_PATH, FEEDBACK_PATH
from support.monitors import NOON, Running, example_post

OWN = {"namespace": "shop", "name": "churn"}


def log(
    monitor: Running, sequence: int, *request_ids: str, at: float = NOON - 60, rows: int = 1, **changes: Any
) -> None:
    """Log requests of `rows` rows each, all with the probability 0.75, and have them folded."""
    logged = [
        {"request_id": request_id, "row": row, "at": at, "prediction": 0.75}
        for request_id in request_ids
        for row in range(rows)
    ]
    log_rows(monitor, sequence, logged, at=at, **changes)


def log_rows(monitor: Running, sequence: int, logged: Sequence[dict[str, Any]], at: float, **changes: Any) -> None:
    """Log these predictions and have them folded."""
    answer = monitor.post(example_post(sequence, at, predictions=list(logged), **changes))
    assert answer.status_code == 200, answer.text
    monitor.fold()


def tell(monitor: Running, *items: tuple[str, Any], status: int = 200, **changes: Any) -> Any:
    """Post labels by request id in bulk; gives the answer's document."""
    feedback = [{"request_id": request_id, "label": label} for request_id, label in items]
    return told(monitor, {**OWN, "feedback": feedback, **changes}, status=status)


def told(monitor: Running, document: Any, status: int = 200, path: str = FEEDBACK_PATH) -> Any:
    """Post a document; gives the answer's."""
    answer = monitor.client.post(path, json=document)
    assert answer.status_code == status, answer.text
    return answer.json()


def follow(monitor: Running, *events: dict[str, Any], status: int = 200) -> Any:
    """Post events in bulk; gives the answer's document."""
    return told(monitor, {**OWN, "events": list(events)}, status=status, path=EVENTS_PATH)


def quality_of(monitor: Running, **query: Any) -> Any:
    """What the monitor says of the model's quality, having judged what is due."""
    monitor.monitor.quality.judge(monitor.time[0])
    answer = monitor.client.get("/v1/models/shop/churn/quality", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()

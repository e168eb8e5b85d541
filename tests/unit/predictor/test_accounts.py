"""The access log: a few lines a second of each kind, and a word on how many were left out."""

from __future__ import annotations

import io
import json
import logging
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from modelloop_predictor import logs
from modelloop_predictor.accounts import Accounts, Exchange
from modelloop_predictor.metrics import RequestTally

LINES = 10
REQUESTS = 500


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the process logs."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers, root.level
    logs.configure({"model": "churn"}, stream)
    yield stream
    root.handlers = handlers
    root.setLevel(level)


def close(accounts: Accounts, reason: str | None) -> None:
    exchange = Exchange("r", None, "/predict")
    exchange.reason = reason
    accounts.close(exchange)


def test_a_second_has_its_lines_of_each_kind_and_the_next_says_how_many_were_left_out(
    written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.25]
    monkeypatch.setattr("modelloop_predictor.accounts.time", SimpleNamespace(perf_counter=lambda: now[0]))
    accounts = Accounts(RequestTally(), LINES)
    for _ in range(REQUESTS):
        close(accounts, None)
        close(accounts, "QueueFull")
    now[0] += 1
    close(accounts, None)
    *lines, last = [json.loads(line) for line in written.getvalue().splitlines()]
    assert Counter(line["reason"] for line in lines) == {"Answered": LINES, "QueueFull": LINES}
    assert {line["unlogged"] for line in lines} == {0}
    assert last["unlogged"] == 2 * (REQUESTS - LINES)

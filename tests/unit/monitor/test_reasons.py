"""What the monitor tells apart by name is what predictors call it."""

from __future__ import annotations

import inspect

from modelloop_core.wire.minutes import CLIENT_GONE, DEADLINE_EXCEEDED
from modelloop_predictor import edge, hot_calls, problems
from modelloop_predictor.v2 import grpc_server


def test_the_deadline_has_the_predictors_name() -> None:
    assert problems.DEADLINE.reason == DEADLINE_EXCEEDED


def test_a_caller_who_left_has_the_predictors_name() -> None:
    for module in (edge, hot_calls, grpc_server):
        assert f'"{CLIENT_GONE}"' in inspect.getsource(module), module.__name__

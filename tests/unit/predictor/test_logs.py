from __future__ import annotations

import logging
import sys

from modelloop_predictor.logs import Sparing


def _failure() -> logging.LogRecord:
    try:
        raise ValueError("a row")
    except ValueError:
        return logging.LogRecord("n", logging.ERROR, __file__, 1, "model-failed", None, sys.exc_info())


def test_tracebacks_are_few_a_second_and_the_next_says_how_many_were_left_out() -> None:
    now = [100.0]
    sparing = Sparing(2, clock=lambda: now[0])
    assert [sparing.filter(_failure()) for _ in range(5)] == [True, True, False, False, False]
    now[0] += 1
    told = _failure()
    assert sparing.filter(told)
    assert told.unlogged == 3  # type: ignore[attr-defined]
    assert sparing.filter(logging.makeLogRecord({"msg": "request"})), "lines without a traceback are not its concern"

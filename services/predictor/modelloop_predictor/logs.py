"""JSON logs: one event, one line on standard output, its facts as fields."""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson

_TRACEBACKS_PER_SECOND = 10
_LOGGER = logging.getLogger("modelloop.predictor")


def event(name: str, level: int = logging.INFO, error: BaseException | None = None, **facts: object) -> None:
    """Write one event; `error` adds its traceback."""
    if _LOGGER.isEnabledFor(level):
        _LOGGER.log(level, name, extra={"facts": facts}, exc_info=error)


def configure(about: Mapping[str, str], stream: TextIO | None = None) -> None:
    """Send all logs of the process as JSON lines to `stream`; `about` (model, version) is on each line."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(_JsonFormatter(about))
    handler.addFilter(Sparing(_TRACEBACKS_PER_SECOND))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    _LOGGER.setLevel(logging.INFO)


class Sparing(logging.Filter):
    """Lets so many tracebacks a second through: a model that fails on every request must not fill the disk.

    The next line with one says in `unlogged` how many were left out.
    """

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._per_second = per_second
        self._clock = clock
        self._second, self._left, self._unlogged = -1, per_second, 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written."""
        if not record.exc_info:
            return True
        second = int(self._clock())
        if second != self._second:
            self._second, self._left = second, self._per_second
        if not self._left:
            self._unlogged += 1
            return False
        self._left -= 1
        record.unlogged, self._unlogged = self._unlogged, 0
        return True


class _JsonFormatter(logging.Formatter):
    def __init__(self, about: Mapping[str, str]) -> None:
        super().__init__()
        self._about = {key: value for key, value in about.items() if value}

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **self._about,
            **getattr(record, "facts", {}),
        }
        if not hasattr(record, "facts"):
            line["logger"] = record.name
        if getattr(record, "unlogged", 0):
            line["unlogged"] = record.unlogged  # type: ignore[attr-defined]  # set by Sparing
        if record.exc_info and record.exc_info[1]:
            line["traceback"] = "".join(traceback.format_exception(record.exc_info[1]))
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()

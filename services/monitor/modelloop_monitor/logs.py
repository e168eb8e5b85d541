"""JSON logs: one event, one line on standard output, its facts as fields."""

from __future__ import annotations

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson

_LOGGER = logging.getLogger("modelloop.monitor")


def event(name: str, level: int = logging.INFO, error: BaseException | None = None, **facts: object) -> None:
    """Write one event; `error` adds its traceback."""
    if _LOGGER.isEnabledFor(level):
        _LOGGER.log(level, name, extra={"facts": facts}, exc_info=error)


def configure(stream: TextIO | None = None) -> None:
    """Send all logs of the process as JSON lines to `stream`."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(_JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    _LOGGER.setLevel(logging.INFO)


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if not hasattr(record, "facts"):
            line["logger"] = record.name
        if record.exc_info and record.exc_info[1]:
            line["traceback"] = "".join(traceback.format_exception(record.exc_info[1]))
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()

"""`python -m modelloop_monitor`: settings from the environment, logs to standard output, then serve."""

from __future__ import annotations

import logging
import sys

from modelloop_core.wire.environment import EXIT_PERMANENT
from modelloop_monitor import logs
from modelloop_monitor.settings import SettingsError, read_settings


def main() -> int:
    """Run the monitor that the environment describes; the exit code says whether another try can help."""
    logs.configure()
    try:
        settings = read_settings()
    except SettingsError as error:
        logs.event("bad-settings", logging.ERROR, reason="BadSettings", message=str(error))
        return EXIT_PERMANENT
    # After the settings: a bad one is told at once.
    from modelloop_monitor.server import serve

    return serve(settings)


if __name__ == "__main__":
    sys.exit(main())

"""`python -m modelloop_predictor`: settings from the environment, logs to standard output, then serve."""

from __future__ import annotations

import gc
import logging
import os
import sys

from modelloop_core.wire.environment import EXIT_PERMANENT, PREFIX, TERMINATION_LOG
from modelloop_predictor import logs
from modelloop_predictor.fetching import Fetcher
from modelloop_predictor.settings import SettingsError, read_settings
from modelloop_predictor.termination import write_termination_log


def main() -> int:
    """Run the predictor that the environment describes; the exit code says whether another try can help."""
    try:
        settings = read_settings()
    except SettingsError as error:
        logs.configure({})
        logs.event("bad-settings", logging.ERROR, reason="BadSettings", message=str(error))
        told = os.environ.get(f"{PREFIX}TERMINATION_LOG") or TERMINATION_LOG
        write_termination_log(told, "BadSettings", str(error))
        return EXIT_PERMANENT
    logs.configure(
        {
            "namespace": settings.model_namespace,
            "model": settings.model_name,
            "version": settings.model_version,
        }
    )
    # Before the web framework and numpy are loaded: on two cores a bucket's version comes meanwhile.
    fetcher = Fetcher(settings)
    fetcher.begin()
    # What importing makes is no garbage, and looking for some among it takes a tenth of the start.
    gc.disable()
    # After the settings: a bad one is told at once.
    from modelloop_predictor.server import serve

    gc.enable()
    gc.freeze()
    return serve(settings, fetcher=fetcher)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Not sys.exit: a model that hangs in native code would hold up the interpreter's end.
    os._exit(code)

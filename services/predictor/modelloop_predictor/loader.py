"""Brings the version into the process: fetch and verify, load, warm up; tries again only where that can help."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from modelloop_core.inference import InferenceError
from modelloop_core.registry_errors import RegistryError
from modelloop_core.storage.port import AccessDenied, StoreError
from modelloop_core.versions import Version
from modelloop_predictor.logs import event
from modelloop_predictor.readiness import Phase
from modelloop_predictor.serving import Serving
from modelloop_predictor.version import UnusableVersion, open_version, warm_up

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)


class VersionSource(Protocol):
    """Where versions come from: a registry."""

    def download(self, version: Version, folder: Path) -> Path:
        """The folder with the version's verified files; raises StoreError, RegistryError or OSError."""
        ...


@dataclass(frozen=True)
class Failure:
    """Why an attempt failed, and whether another can succeed."""

    reason: str
    message: str
    permanent: bool


def judge(error: Exception) -> Failure:
    """Say what an error of an attempt means."""
    message = " ".join(str(error).split())[:1000] or type(error).__name__
    match error:
        case AccessDenied():
            # Not for ever: somebody corrects the credentials or the bucket's policy.
            return Failure("AccessDenied", message, permanent=False)
        case UnusableVersion() | InferenceError():
            return Failure(error.reason, message, permanent=not error.retriable)
        case StoreError() | RegistryError():
            return Failure(type(error).__name__, message, permanent=not error.retriable)
        case OSError(errno=number) if number in _UNWRITABLE:
            hint = "name a writable folder in MODELLOOP_CACHE_DIR"
            return Failure("CacheUnwritable", f"{message}; {hint}", permanent=True)
        case OSError():
            return Failure("DiskFailed", message, permanent=False)
        case _:
            return Failure("Unexpected", f"{type(error).__name__}: {message}", permanent=False)


class Loader:
    """Loads one version into `serving`; `wait` sleeps and says whether to give up."""

    def __init__(
        self,
        serving: Serving,
        source: Callable[[], VersionSource],
        *,
        wait: Callable[[float], bool],
        on_failure: Callable[[Failure], None],
    ) -> None:
        self._serving = serving
        self._source = source
        self._wait = wait
        self._on_failure = on_failure

    def run(self) -> None:
        """Try until the version answers, an attempt fails for good (then `on_failure`), or `wait` says to give up."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            failure = self._attempt()
            if failure is None:
                return
            if failure.permanent:
                self._serving.readiness.hold(Phase.FAILED, failure.reason, failure.message)
                self._on_failure(failure)
                return
            again = f"{failure.message}; trying again in {pause:g} s"
            self._serving.readiness.hold(Phase.RETRYING, failure.reason, again)
            if self._wait(pause):
                return
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _attempt(self) -> Failure | None:
        try:
            self._load()
        except Exception as error:  # noqa: BLE001 a loop's top: whatever it is, the probe must say it
            failure = judge(error)
            self._serving.metrics.load_failed(failure.reason)
            cause = error if failure.reason == "Unexpected" else None
            event("load-failed", logging.ERROR, cause, reason=failure.reason, message=failure.message)
            return failure
        event("ready", reason=Phase.READY)
        return None

    def _load(self) -> None:
        settings, readiness = self._serving.settings, self._serving.readiness
        readiness.enter(Phase.DOWNLOADING)
        folder = self._source().download(Version.parse(settings.model_version), Path(settings.cache_dir))
        readiness.enter(Phase.LOADING)
        version = open_version(folder, settings)
        readiness.enter(Phase.WARMING_UP)
        self._serving.install(warm_up(version, settings.batch_max_size))

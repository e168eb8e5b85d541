"""Brings the version into the process: fetch and verify, load, warm up; tries again only where that can help."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from modelloop_core.inference import InferenceError
from modelloop_core.versions import Version
from modelloop_core.wire.environment import PredictorEnvironment
from modelloop_predictor.failures import Failure, judge_fetch, message_of
from modelloop_predictor.fallback import FallbackMisfit
from modelloop_predictor.fetching import FetchFailed
from modelloop_predictor.logs import event
from modelloop_predictor.older_version import check_another, open_older
from modelloop_predictor.readiness import Phase
from modelloop_predictor.serving import Serving
from modelloop_predictor.version import UnusableVersion, open_version, warm_up

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0


class VersionSource(Protocol):
    """Where versions come from: a registry."""

    def download(self, version: Version, folder: Path) -> Path:
        """The folder with the version's verified files; raises FetchFailed, StoreError, RegistryError or OSError."""
        ...


class FallbackFailed(Exception):
    """The version that is to be the fallback cannot be brought into the process; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def judge(error: Exception) -> Failure:
    """Say what an error of an attempt means."""
    match error:
        case FetchFailed() | FallbackFailed():
            return error.failure
        case UnusableVersion() | InferenceError():
            return Failure(error.reason, message_of(error), permanent=not error.retriable)
        case _:
            return judge_fetch(error)


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
        source = self._source()
        folder = source.download(Version.parse(settings.model_version), Path(settings.cache_dir))
        older = _fallback_folder(source, settings)
        readiness.enter(Phase.LOADING)
        version = open_version(folder, settings)
        readiness.enter(Phase.WARMING_UP)
        version = warm_up(version, settings.batch_max_size)
        if older is not None:
            readiness.enter(Phase.LOADING_FALLBACK)
            with _told_as_the_fallbacks(settings):
                version = replace(version, fallback=open_older(older, version, settings))
        self._serving.install(version)


def _fallback_folder(source: VersionSource, settings: PredictorEnvironment) -> Path | None:
    """The folder of the version that is the fallback, where it is one."""
    if settings.fallback is None or settings.fallback.version is None:
        return None
    with _told_as_the_fallbacks(settings):
        version = Version.parse(settings.fallback.version)
        check_another(version, settings)
        return source.download(version, Path(settings.cache_dir))


@contextmanager
def _told_as_the_fallbacks(settings: PredictorEnvironment) -> Iterator[None]:
    """Tell what goes wrong within as the fault of the declared fallback: the served version is innocent."""
    named = f"serving.fallback.version {settings.fallback.version if settings.fallback else None}"
    try:
        yield
    except FallbackMisfit as error:
        message = f"{named} does not fit version {settings.model_version}: {error}"
        raise UnusableVersion("FallbackInvalid", message) from error
    except Exception as error:
        found = judge(error)
        message = f"{named}: {found.message}"
        if not found.permanent:
            raise FallbackFailed(replace(found, message=message)) from error
        message = f"{message} ({found.reason}); name a version that is published and works, or give constant or rules"
        raise UnusableVersion("FallbackInvalid", message) from error

"""The state that routes, probes, loader and shutdown share: what is loaded, and whether it may be asked."""

from __future__ import annotations

from modelloop_core.versions import Version
from modelloop_core.wire.environment import PredictorEnvironment
from modelloop_predictor.accounts import Accounts, Tracer
from modelloop_predictor.body import BodyBudget
from modelloop_predictor.caching import CachedScoring, Questions
from modelloop_predictor.metrics import Metrics
from modelloop_predictor.model_thread import ModelThread
from modelloop_predictor.problems import MODEL_STUCK, NOT_READY, retry_later
from modelloop_predictor.readiness import Phase, Readiness, State, stuck_after
from modelloop_predictor.scoring import Limits, Scoring
from modelloop_predictor.shared_answers import SharedAnswers
from modelloop_predictor.telemetry.audience import Telemetry
from modelloop_predictor.telemetry.state import NOT_WANTED
from modelloop_predictor.version import LoadedVersion

RETRY_AFTER_SECONDS = 5
_LARGE_BODIES = 8
"""So many bodies of the largest size may be on their way at once."""


class Serving:
    """One predictor process: at most one version, from the moment it is loaded until the end."""

    def __init__(
        self,
        settings: PredictorEnvironment,
        metrics: Metrics,
        thread: ModelThread,
        tracer: Tracer | None = None,
        shared: SharedAnswers | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.settings = settings
        self.metrics = metrics
        self.accounts = Accounts(metrics.tally, settings.access_log_per_second, tracer)
        self.scoring = Scoring(thread, _limits(settings), metrics.tally.batches.observe)
        self.bodies = BodyBudget(_LARGE_BODIES * settings.max_body_bytes)
        self._stuck_after = stuck_after(settings)
        self.questions: Questions = self.scoring
        if settings.cache_max_entries:
            self.questions = CachedScoring(
                self.scoring,
                metrics.tally,
                most_rows=settings.cache_max_entries,
                seconds=settings.cache_ttl_seconds,
                shared=shared,
            )
        metrics.tally.waiting = lambda: self.scoring.waiting
        self.readiness = Readiness()
        self.served_name = Version.parse(settings.model_version).served_name
        self.mirror_port: int | None = None
        self._telemetry = telemetry
        self.telemetry = NOT_WANTED
        self._version: LoadedVersion | None = None

    def install(self, version: LoadedVersion) -> None:
        """Answer with `version` from now on."""
        if self._telemetry is not None:
            self.scoring.audience, self.telemetry = self._telemetry.begin(version)
            self.scoring.copies = self._telemetry.copies
        self._version = version
        self.metrics.loaded(version.manifest)
        self.readiness.enter(Phase.READY)

    @property
    def version(self) -> LoadedVersion | None:
        """What is loaded, asked or not."""
        return self._version

    @property
    def stuck(self) -> bool:
        """Whether the model hangs in a call, which only a new process can end."""
        return self.scoring.busy_seconds > self._stuck_after

    @property
    def state(self) -> State:
        """What the readiness probe says."""
        if self.stuck:
            return State(
                Phase.FAILED, "ModelStuck", f"the model has not returned for {self.scoring.busy_seconds:.0f} s"
            )
        return self.readiness.state

    def live_version(self) -> LoadedVersion:
        """The version to answer with, also while draining; raises 503 before there is one.

        Raises 503 also while its model hangs, unless there is a fallback that can answer.
        """
        if self._version is None:
            state = self.state
            raise retry_later(NOT_READY, f"{state.reason}: {state.message}", RETRY_AFTER_SECONDS)
        if self._version.fallback is None:
            self.check_unstuck()
        return self._version

    def check_unstuck(self) -> None:
        """Raise 503 when the model hangs."""
        if self.stuck:
            raise retry_later(MODEL_STUCK, self.state.message, RETRY_AFTER_SECONDS)


def _limits(settings: PredictorEnvironment) -> Limits:
    return Limits(
        max_rows=settings.batch_max_size,
        max_delay=settings.batch_max_delay_seconds,
        max_waiting=settings.max_queue,
        timeout=settings.timeout_seconds,
    )

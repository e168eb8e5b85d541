"""Whether this process should get traffic, and if not, why: set by the loader and by shutdown, read by the probes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from modelloop_core.wire.environment import PredictorEnvironment


class Phase(StrEnum):
    """Where the process is in its life; the value is the reason a probe reads."""

    STARTING = "Starting"
    DOWNLOADING = "Downloading"
    LOADING = "Loading"
    WARMING_UP = "WarmingUp"
    LOADING_FALLBACK = "LoadingFallback"
    RETRYING = "Retrying"
    READY = "Ready"
    FAILED = "Failed"
    DRAINING = "Draining"


@dataclass(frozen=True)
class State:
    """A phase with its reason (one word) and message (one sentence)."""

    phase: Phase
    reason: str
    message: str

    @property
    def ready(self) -> bool:
        """Whether predictions are answered and wanted."""
        return self.phase is Phase.READY


_MESSAGES = {
    Phase.STARTING: "the process has just started",
    Phase.DOWNLOADING: "the version's files are being fetched and verified",
    Phase.LOADING: "the model file is being loaded",
    Phase.WARMING_UP: "the model is answering its example",
    Phase.LOADING_FALLBACK: "the version that is the fallback is being loaded and warmed up",
    Phase.READY: "the model answers",
    Phase.DRAINING: "the process was asked to stop and finishes what it has",
}
STUCK_DEADLINES = 5
"""A model that is busy with one call for this many deadlines is taken for hung."""

_LEAST_STUCK_SECONDS = 2.0


class Readiness:
    """The current state. Once draining, it stays so; each assignment is one reference, safe from any thread."""

    def __init__(self) -> None:
        self._state = State(Phase.STARTING, Phase.STARTING, _MESSAGES[Phase.STARTING])
        self._draining = False

    @property
    def state(self) -> State:
        """What a probe should say, a hung model aside."""
        if self._draining:
            return State(Phase.DRAINING, Phase.DRAINING, _MESSAGES[Phase.DRAINING])
        return self._state

    @property
    def answers(self) -> bool:
        """Whether the model is there to answer, draining or not."""
        return self._state.ready

    @property
    def draining(self) -> bool:
        """Whether the process was asked to stop."""
        return self._draining

    def enter(self, phase: Phase) -> None:
        """Move on to a phase that needs no explanation."""
        self._state = State(phase, phase, _MESSAGES[phase])

    def hold(self, phase: Phase, reason: str, message: str) -> None:
        """Move to a phase for a reason: RETRYING or FAILED."""
        self._state = State(phase, reason, message)

    def drain(self) -> None:
        """Stop being ready, for good."""
        self._draining = True


def stuck_after(settings: PredictorEnvironment) -> float:
    """Seconds one call of the model may take before the process counts as hung and wants a restart."""
    return max(STUCK_DEADLINES * settings.timeout_seconds, _LEAST_STUCK_SECONDS)

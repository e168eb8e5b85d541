"""Judges windows that have ended, once and again when late counts come, and moves incidents by what was found."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from modelloop_core.wire.settings import FORGOTTEN_SECONDS, ModelSettings
from modelloop_core.wire.watching import Cause
from modelloop_monitor.checking import References
from modelloop_monitor.findings import drift_finding, silence_finding
from modelloop_monitor.incidents import Finding, IncidentState, as_told, progress, untold
from modelloop_monitor.judging import judge_window
from modelloop_monitor.logs import event
from modelloop_monitor.metrics import Metrics
from modelloop_monitor.notices import letters, notification
from modelloop_monitor.quality.finding import find_quality
from modelloop_monitor.store import entities, incidents, models, outbox, reports, silences, windows
from modelloop_monitor.store.engine import Store
from modelloop_monitor.store.errors import StoreError
from modelloop_monitor.store.models import Known, Model
from modelloop_monitor.store.windows import Group

_MOST_AT_ONCE = 500
# A window that could not be judged is tried again so much later; meanwhile it must not take the place of others.
_AGAIN_SECONDS = 600.0


@dataclass(frozen=True)
class Patience:
    """How long after its end a window is judged, and after how many windows without a post a model is silent."""

    grace_seconds: float
    stale_windows: float


class Evaluator:
    """Judges; several processes may try, one does. `started` is when this one began to listen."""

    def __init__(self, store: Store, references: References, patience: Patience, metrics: Metrics) -> None:
        self._store = store
        self._references = references
        self._patience = patience
        self._metrics = metrics
        self._started: float | None = None
        self._again_at: dict[Group, float] = {}

    def evaluate(self, now: float) -> int:
        """Judge all that is due; how many windows were. Raises StoreError, with no window half-judged."""
        self._started = self._began(now)
        with self._store.alone("evaluate") as alone:
            groups = self._due(now) if alone else []
            for group in groups:
                self._try(group, now)
            if alone:
                self._move_incidents({(group.namespace, group.name) for group in groups}, now)
        return len(groups)

    def _due(self, now: float) -> list[Group]:
        self._again_at = {group: at for group, at in self._again_at.items() if at > now}
        with self._store.reading() as connection:
            most = _MOST_AT_ONCE + len(self._again_at)
            found = windows.unjudged(connection, now - self._patience.grace_seconds, most)
        return [group for group in found if group not in self._again_at]

    def _try(self, group: Group, now: float) -> None:
        try:
            self._judge(group, now)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 one model's window must not keep those of all others from being judged
            self._again_at[group] = now + _AGAIN_SECONDS
            self._metrics.failed("evaluate")
            event("window-unjudged", logging.ERROR, error=error, reason="InternalError", window=group._asdict())

    def _judge(self, group: Group, now: float) -> None:
        model = (group.namespace, group.name)
        reference = self._references.whole(group.reference)
        with self._store.reading() as connection:
            held, previous = windows.held(connection, group), windows.held(connection, group.before)
            settings = models.settings(connection, [model])[model].drift
            effect = entities.design_effect(connection, group)
        if reference is None or not held:
            raise LookupError(f"window {group} has no reference or no counts, and was to be judged")
        found = judge_window(group, held, previous, reference, settings, design_effect=effect)
        with self._store.writing() as connection:
            before = reports.before(connection, model, group.reference, group.since)
            last = found.after(before, settings.consecutive_windows)
            reports.save(connection, model, last, now)
            # What follows from a window that late counts changed follows anew.
            for later in reports.following(connection, model, group.reference, group.until):
                last = later.after(last, settings.consecutive_windows)
                if last == later:
                    break
                reports.save(connection, model, last, now)
            windows.judged(connection, group, held)

    def _move_incidents(self, judged: set[Model], now: float) -> None:
        with self._store.reading() as connection:
            known = models.all_of(connection)
            concerned = judged | set(incidents.counts(connection))
            settings = models.settings(connection, {one.model for one in known})
        for one in known:
            self._try_to_move(one, settings[one.model], now, concerned=one.model in concerned)

    def _try_to_move(self, known: Known, settings: ModelSettings, now: float, *, concerned: bool) -> None:
        try:
            if concerned or self._needs_moving(known, settings, now):
                with self._store.writing() as connection:
                    self._move(connection, known, settings, now)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 nor must one model keep all others from being told of
            self._metrics.failed("evaluate")
            event("incident-unmoved", logging.ERROR, error=error, reason="InternalError", model="/".join(known.model))

    def _needs_moving(self, known: Known, settings: ModelSettings, now: float) -> bool:
        """Whether time alone has made something of it: silence, or labels that had long enough."""
        if self._silence(known, settings, now) is not None:
            return True
        if settings.quality is None:
            return False
        with self._store.reading() as connection:
            return self._quality(connection, known, settings, now) is not None

    def _move(self, connection: Connection, known: Known, settings: ModelSettings, now: float) -> None:
        silenced = silences.until(connection, known.model, now) is not None
        for cause, finding in self._findings(connection, known, settings, now):
            before = incidents.current(connection, known.model, cause)
            after = progress(before, cause, finding, now=now, new_id=uuid.uuid4().hex)
            if after is not None:
                after = _tell(connection, known.model, after, settings, silenced=silenced, now=now)
            if after is not None and after != before:
                incidents.save(connection, known.model, after)

    def _findings(
        self, connection: Connection, known: Known, settings: ModelSettings, now: float
    ) -> Iterable[tuple[Cause, Finding | None]]:
        judged = None if self._is_gone(known, now) else reports.leading(connection, known.model)
        yield Cause.DRIFT, drift_finding(known.model, judged, settings.drift)
        yield Cause.SILENCE, self._silence(known, settings, now)
        yield Cause.QUALITY, self._quality(connection, known, settings, now)

    def _quality(self, connection: Connection, known: Known, settings: ModelSettings, now: float) -> Finding | None:
        if self._is_gone(known, now):
            return None
        before = incidents.current(connection, known.model, Cause.QUALITY)
        features = () if before is None else before.features
        return find_quality(connection, known.model, settings.quality, now, open_features=features)

    def _silence(self, known: Known, settings: ModelSettings, now: float) -> Finding | None:
        # After a start predictors need a moment to find the monitor again.
        settled = now - self._began(now) > self._patience.stale_windows * settings.window_seconds
        watched = known.settings_at is not None and now - known.settings_at <= FORGOTTEN_SECONDS
        if not (settled and watched):
            return None
        return silence_finding(
            known,
            now=now,
            window_seconds=settings.window_seconds,
            stale_windows=self._patience.stale_windows,
        )

    def _is_gone(self, known: Known, now: float) -> bool:
        """Whether the MLModel was deleted: nobody renews its settings, and no pod of it posts."""
        if known.settings_at is None:
            return False
        heard = max(known.settings_at, known.last_post or 0.0, self._began(now))
        return now - heard > FORGOTTEN_SECONDS

    def _began(self, now: float) -> float:
        return now if self._started is None else self._started


def _tell(
    connection: Connection,
    model: Model,
    incident: IncidentState,
    settings: ModelSettings,
    *,
    silenced: bool,
    now: float,
) -> IncidentState:
    change = untold(incident, silenced=silenced)
    if change is None:
        return incident
    told = notification(model, incident, change, settings.alerts, now)
    for letter in letters(model, told, settings.alerts, now):
        outbox.add(connection, letter)
    return as_told(incident)

"""A person's commands (annotation `modelloop.dev/request`): each id is answered once, together with its effect."""

from __future__ import annotations

from collections.abc import Callable

from modelloop_core.versions import Version
from modelloop_core.wire.evidence import Verdict
from modelloop_operator.decide.capacity import share_of
from modelloop_operator.decide.decisions import Answer, Approve, Condemn, Effect, Force, Forget, Pause, Refuse
from modelloop_operator.decide.observation import CatalogUnknown, Observation, Request
from modelloop_operator.decide.plan import plan_of
from modelloop_operator.decide.selection import is_condemned, previous

Outcome = tuple[bool, str, str, Effect | None]
"""Whether it is done, a one-word reason, a sentence, and what it changes."""


def answer(seen: Observation) -> Answer | None:
    """The answer to a request that has none yet, or None."""
    request, handled = seen.request, seen.model.status.handledRequest
    if request is None or (handled is not None and handled.id == request.id):
        return None
    if seen.request_problem:
        return Answer(request.id, request.verb, False, "RequestInvalid", seen.request_problem)
    obey = _VERBS.get(request.verb)
    if obey is None:
        known = ", ".join(_VERBS)
        message = f"{request.verb!r} is not a command of this operator; it knows {known}"
        return Answer(request.id, request.verb, False, "RequestUnknown", message)
    return Answer(request.id, request.verb, *obey(seen, request))


def _refresh(seen: Observation, _: Request) -> Outcome:
    if isinstance(seen.catalog, CatalogUnknown):
        return _no(seen.catalog.reason, seen.catalog.message)
    return True, "Refreshed", f"the registry was read: {len(seen.catalog.releases)} versions", None


def _retry(seen: Observation, _: Request) -> Outcome:
    if isinstance(seen.catalog, CatalogUnknown):
        return _no(seen.catalog.reason, seen.catalog.message)
    failed = [failure.version for failure in seen.model.status.failedVersions]
    message = f"versions that failed may be tried again: {', '.join(failed) or 'none'}"
    return True, "Retried", message, Forget(tuple(map(Version.parse, failed)), "Retried", message)


def _promote(seen: Observation, _: Request) -> Outcome:
    candidate = _tried(seen)
    if candidate is None:
        return _nothing_tried(seen)
    if _paused_by_spec(seen):
        return _no("PausedBySpec", f"spec.rollout.paused holds {candidate}: set it to false first")
    if seen.judgement is not None and seen.judgement.verdict is Verdict.FAILED:
        return _no("EvidenceFailed", f"{candidate} failed and goes: {seen.judgement.message}")
    message = f"{candidate} goes to 100 % when as many of its pods are ready as serve now"
    return True, "Promoting", message, Force()


def _approve(seen: Observation, _: Request) -> Outcome:
    candidate, share, plan = _tried(seen), share_of(seen), plan_of(seen)
    if candidate is None or not plan.staged:
        return _nothing_tried(seen)
    if not share or not plan.step(share).approval:
        return _no("NothingToApprove", f"{candidate} is at {share}, a step without approval")
    message = f"{candidate} may go on from {share} once the step's hold is over and its verdict is Passed"
    return True, "Approved", message, Approve()


def _pause(seen: Observation, _: Request) -> Outcome:
    if _tried(seen) is None:
        return _nothing_tried(seen)
    return True, "Paused", f"{seen.candidate} stays at {share_of(seen)}; if it fails, it goes", Pause(True)


def _resume(seen: Observation, _: Request) -> Outcome:
    rollout = seen.model.status.rollout
    if _tried(seen) is None or rollout is None:
        return _nothing_tried(seen)
    if _paused_by_spec(seen):
        return _no("PausedBySpec", f"spec.rollout.paused holds {seen.candidate}: set it to false")
    if not rollout.paused:
        return _no("NotPaused", f"{seen.candidate} is not paused; `kubectl mlmodel status` says what it waits for")
    return True, "Resumed", f"{seen.candidate} goes on from {share_of(seen)}", Pause(False)


def _abort(seen: Observation, request: Request) -> Outcome:
    candidate, live = _tried(seen), seen.stable
    if candidate is None or live is None:
        return _nothing_tried(seen)
    message = f"{candidate} was taken back from {share_of(seen)} by request{_by(request)}; {live} serves"
    return True, "Aborted", message, Refuse(candidate, "Aborted", message)


def _rollback(seen: Observation, request: Request) -> Outcome:
    live, before = seen.stable, previous(seen)
    if live is not None and is_condemned(seen) and before is not None:
        return _no("RollingBack", f"{live} is taken back already; {before} comes in its place")
    if _tried(seen) is not None:
        return _abort(seen, request)
    if live is None or before is None:
        return _no("NothingToGoBackTo", f"status.history names no version to go back to from {live or 'nothing'}")
    message = f"{live} is taken back by request{_by(request)}; {before} comes in its place"
    return True, "RollingBack", message, Condemn(live, "RolledBackByRequest", message)


def _by(request: Request) -> str:
    return f" of {request.by}" if request.by else ""


def _paused_by_spec(seen: Observation) -> bool:
    return seen.model.spec.rollout is not None and seen.model.spec.rollout.paused


def _tried(seen: Observation) -> Version | None:
    """The candidate, unless it is the first version or what traffic goes back to: nobody holds these up."""
    return seen.candidate if seen.stable is not None and not is_condemned(seen) else None


def _nothing_tried(seen: Observation) -> Outcome:
    if seen.candidate is not None and is_condemned(seen):
        return _no("RollingBack", f"{seen.candidate} is what traffic goes back to, because {seen.stable} failed here")
    if seen.candidate is not None:
        return _no("NotARollout", f"{seen.candidate} replaces nothing: it goes live when its pods are ready")
    return _no("NoRollout", f"no version is being tried beside {seen.stable or 'nothing'}")


def _no(reason: str, message: str) -> Outcome:
    return False, reason, message, None


_VERBS: dict[str, Callable[[Observation, Request], Outcome]] = {
    "refresh": _refresh,
    "retry": _retry,
    "promote": _promote,
    "approve": _approve,
    "pause": _pause,
    "resume": _resume,
    "abort": _abort,
    "rollback": _rollback,
}

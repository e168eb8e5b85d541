"""A person's commands (annotation `modelloop.dev/request`): each id is answered once."""

from __future__ import annotations

from modelloop_operator.decide.decisions import Answer
from modelloop_operator.decide.observation import CatalogUnknown, Observation

KNOWN_VERBS = ("refresh", "retry")


def answer(seen: Observation) -> Answer | None:
    """The answer to a request that has none yet, or None."""
    request, handled = seen.request, seen.model.status.handledRequest
    if request is None or (handled is not None and handled.id == request.id):
        return None
    if seen.request_problem:
        return Answer(request.id, request.verb, False, False, "RequestInvalid", seen.request_problem)
    if request.verb not in KNOWN_VERBS:
        known = ", ".join(KNOWN_VERBS)
        message = f"{request.verb!r} is not a command of this operator; it knows {known}"
        return Answer(request.id, request.verb, False, False, "RequestUnknown", message)
    if isinstance(seen.catalog, CatalogUnknown):
        return Answer(request.id, request.verb, False, False, seen.catalog.reason, seen.catalog.message)
    count = len(seen.catalog.releases)
    if request.verb == "retry":
        failed = ", ".join(failure.version for failure in seen.model.status.failedVersions) or "none"
        return Answer(request.id, "retry", True, True, "Retried", f"versions that failed may be tried again: {failed}")
    return Answer(request.id, "refresh", True, False, "Refreshed", f"the registry was read: {count} versions")

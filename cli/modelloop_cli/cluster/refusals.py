"""What an API server's refusals mean to a person, each with what to do."""

from __future__ import annotations

import json

from modelloop_cli.errors import Refused


class Unreadable(Refused):
    """The API server answered, and not with the object: no permission, no such thing, or a fault of its own."""


class Unreachable(Refused):
    """Nothing answered: asked again, it may."""


class Forbidden(Unreadable):
    """The person lacks the right to look, which says nothing of what is there."""


class Moved(Unreadable):
    """The object changed since it was read: look again."""


def answered(status: int, body: str | bytes | None, what: str) -> Unreadable:
    """The refusal that an error status and its body tell of `what`."""
    try:
        told = json.loads(body or "")
        message = str(told["message"])
    except (ValueError, KeyError, TypeError):
        # A kind that is not served is answered in plain text: without an object's name, unlike an absent object.
        told, message = {}, f"the API server answered {status}"
    match status:
        case 404 if "details" in told:
            return Unreadable(f"{what} does not exist", "`kubectl get mlmodels -A` lists what there is")
        case 404:
            return Unreadable("this cluster has no MLModels", "install charts/modelloop-crds and charts/modelloop")
        case 401:
            return Unreadable(
                f"{what}: the API server does not know who asks", "renew the credentials in the kubeconfig"
            )
        case 403:
            return Forbidden(f"{what} needs permission: {message}", "ask whoever grants rights in this cluster")
        case 409:
            return Moved(f"{what}: {message}", "try again")
        case _:
            return Unreadable(f"{what}: {message}")


def unreachable(error: Exception, host: str) -> Unreachable:
    """The refusal for a server that did not answer at all."""
    reason = getattr(error, "reason", None) or error
    # urllib3 puts its own object before the reason: `<…HTTPConnection object at 0x…>: Failed to establish …`.
    said = str(reason).rpartition(">: ")[2] or type(reason).__name__
    return Unreachable(
        f"the API server at {host} does not answer: {said}", "is the cluster up? does --context name it?"
    )

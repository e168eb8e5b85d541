"""The port to the Kubernetes API: six verbs, one family of errors."""

from __future__ import annotations

from typing import Any, Protocol

from modelloop_operator.cluster.kinds import Kind

Object = dict[str, Any]


class ClusterError(Exception):
    """The API server could not do what was asked; `retry_after` is its own wish in seconds, if it had one."""

    retriable = False
    retry_after: float | None = None


class Missing(ClusterError):
    """The object (or its namespace, or its API) is not there."""


class Conflict(ClusterError):
    """The object changed since it was read, or exists already: observe again."""

    retriable = True


class Rejected(ClusterError):
    """The API server refuses the content (422) or forbids it (403): trying the same again cannot help."""


class Unreachable(ClusterError):
    """No usable answer: connection lost, time-out, 5xx or too many requests."""

    retriable = True

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Faulted(Unreachable):
    """The API server answered that something behind it failed (500, 504), such as an admission webhook."""


class Cluster(Protocol):
    """What the operator asks of the API server; each request is bounded in time, and a verb raises only ClusterError.

    A verb is one request, but for `list`: one for each page.
    """

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object:
        """One object; raises Missing."""
        ...

    async def list(self, kind: Kind, namespace: str | None = None, selector: str = "") -> list[Object]:
        """All objects of a kind, in one namespace or all, matching a label selector; raises Missing without the API."""
        ...

    async def apply(self, kind: Kind, body: Object) -> Object:
        """Server-side apply as the owner of exactly the fields in `body`; conflicts are forced."""
        ...

    async def create(self, kind: Kind, body: Object) -> Object:
        """Create a new object; raises Conflict if there is one of that name."""
        ...

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        """Delete exactly the object with this uid; its absence is no error."""
        ...

    async def replace(self, kind: Kind, body: Object, subresource: str | None = None) -> Object:
        """Replace the object (or its subresource) at body's resourceVersion; raises Conflict when it moved on."""
        ...

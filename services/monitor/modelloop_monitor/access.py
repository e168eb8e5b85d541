"""Who may call: bearer tokens for programs, a proxy's headers for people; namespaces are kept apart.

A person's namespaces are those that the proxy lists, and those that `grants` give to the user and the groups it names.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from modelloop_core.wire.tokens import namespace_token
from modelloop_monitor.problems import FORBIDDEN, UNAUTHORIZED, ProblemError

ALL = "*"
USER, GROUP = "user:", "group:"
_BEARER = "bearer "


@dataclass(frozen=True)
class Caller:
    """What somebody may see (`namespaces`; None for all) and whether they may change it."""

    namespaces: frozenset[str] | None
    writes: bool

    def may(self, namespace: str) -> bool:
        """Whether the namespace is theirs."""
        return self.namespaces is None or namespace in self.namespaces

    def require_writes(self) -> None:
        """Raise ProblemError unless they may change anything."""
        if not self.writes:
            raise ProblemError(FORBIDDEN, "a signed-in person may read; changes need the monitor's token")

    def require(self, namespace: str, *, write: bool = False) -> None:
        """Raise ProblemError unless they may read, or write, there."""
        if not self.may(namespace):
            raise ProblemError(FORBIDDEN, f"namespace {namespace!r} is not yours")
        if write:
            self.require_writes()


@dataclass(frozen=True)
class Access:
    """How callers are told apart; without a token there is nothing to tell and the network is the boundary."""

    token: str | None = None
    user_header: str = ""
    namespaces_header: str = ""
    groups_header: str = ""
    grants: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def caller(self, headers: Mapping[str, str]) -> Caller:
        """Who calls; raises ProblemError (401)."""
        shown = headers.get("authorization", "")
        if self.token is not None and shown.lower().startswith(_BEARER):
            return self._holder(self.token, shown[len(_BEARER) :].strip())
        if self.user_header and headers.get(self.user_header):
            return Caller(self._granted(headers), writes=False)
        if self.token is None:
            return Caller(None, writes=True)
        raise _unauthorized("there was none")

    def _holder(self, token: str, shown: str) -> Caller:
        if hmac.compare_digest(shown.encode(), token.encode()):
            return Caller(None, writes=True)
        namespace = shown.rpartition(".")[0]
        if namespace and hmac.compare_digest(shown.encode(), namespace_token(token, namespace).encode()):
            return Caller(frozenset({namespace}), writes=True)
        raise _unauthorized("the one shown is not valid")

    def _granted(self, headers: Mapping[str, str]) -> frozenset[str] | None:
        if not self.namespaces_header and not self.grants:
            return None
        groups = _listed(headers, self.groups_header)
        holders = [f"{USER}{headers[self.user_header]}", *(f"{GROUP}{group}" for group in groups)]
        granted = {namespace for holder in holders for namespace in self.grants.get(holder, ())}
        granted |= set(_listed(headers, self.namespaces_header))
        return None if ALL in granted else frozenset(granted)


def _listed(headers: Mapping[str, str], name: str) -> list[str]:
    words = headers.get(name, "").split(",") if name else []
    return [word.strip() for word in words if word.strip()]


def _unauthorized(found: str) -> ProblemError:
    detail = f"send the monitor's token as `Authorization: Bearer …`; {found}"
    return ProblemError(UNAUTHORIZED, detail, headers={"www-authenticate": "Bearer"})

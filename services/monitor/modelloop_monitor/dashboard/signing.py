"""Who looks at a page: by a session made from a token, by the proxy's headers, or anybody where that is allowed."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from modelloop_monitor.access import ALL, Access, Caller
from modelloop_monitor.problems import UNAUTHORIZED, ProblemError

COOKIE = "modelloop_session"
SESSION_SECONDS = 12 * 3600


@dataclass(frozen=True)
class Viewer:
    """What a person may see and whether they may silence alerts; `by_token` says that there is a session to end."""

    caller: Caller
    name: str
    may_change: bool
    by_token: bool = False


@dataclass(frozen=True)
class Gate:
    """Lets people in; a session is signed with the token, so that changing that ends all of them."""

    access: Access
    anonymous: str

    def viewer(self, headers: Mapping[str, str], cookie: str, host: str, now: float) -> Viewer:
        """Who asks, from `host`; raises ProblemError (401) for somebody who has to sign in first."""
        session = self._session(cookie, now)
        if session is not None:
            return Viewer(session, "signed in by token", may_change=True, by_token=True)
        if self.access.user_header and headers.get(self.access.user_header):
            return Viewer(self.access.caller(headers), headers[self.access.user_header], may_change=True)
        if self.access.token is not None or self.access.user_header:
            raise ProblemError(UNAUTHORIZED, self._what_to_do())
        if self.anonymous == "nobody" or (self.anonymous == "loopback" and not _is_loopback(host)):
            raise ProblemError(UNAUTHORIZED, self._what_to_do())
        return Viewer(Caller(None, writes=False), "", may_change=False)

    def session(self, token: str, now: float) -> str:
        """The cookie for somebody who shows a token, of all or of one namespace; raises ProblemError (401)."""
        if self.access.token is None:
            raise ProblemError(UNAUTHORIZED, self._what_to_do())
        namespaces = self.access.caller({"authorization": f"Bearer {token.strip()}"}).namespaces
        scope = ALL if namespaces is None else next(iter(namespaces))
        claim = f"{scope}.{int(now) + SESSION_SECONDS}"
        return f"{claim}.{self._mark(claim)}"

    def _session(self, cookie: str, now: float) -> Caller | None:
        claim, _, mark = cookie.rpartition(".")
        if self.access.token is None or not hmac.compare_digest(mark.encode(), self._mark(claim).encode()):
            return None
        scope, _, until = claim.rpartition(".")
        if float(until) <= now:
            return None
        return Caller(None if scope == ALL else frozenset({scope}), writes=True)

    def _mark(self, claim: str) -> str:
        # The slash keeps it apart from the marks of namespaces' tokens: no namespace has one in its name.
        return hmac.new((self.access.token or "").encode(), f"session/{claim}".encode(), hashlib.sha256).hexdigest()

    def _what_to_do(self) -> str:
        if self.access.token is not None:
            return "sign in with the monitor's token, or with that of your namespace"
        if self.access.user_header:
            return f"come through the proxy that signs people in: it names them in {self.access.user_header!r}"
        return f"set MODELLOOP_MONITOR_TOKEN: without one the dashboard is open to {self.anonymous} only"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

"""One request of one person, as the pages see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.requests import Request

from modelloop_monitor.dashboard.signing import Viewer
from modelloop_monitor.problems import FORBIDDEN, ProblemError


@dataclass(frozen=True)
class Visit:
    """Who asks for what and when; `is_fragment` when htmx asks for a part of a page."""

    viewer: Viewer
    now: float
    path: str
    place: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    is_fragment: bool = False

    @property
    def model(self) -> tuple[str, str]:
        """The namespace and name in the address; raises ProblemError (403) for a namespace that is not theirs."""
        self.viewer.caller.require(self.place["namespace"])
        return self.place["namespace"], self.place["name"]

    def chosen(self, name: str, choices: Mapping[str, object], default: str) -> str:
        """What the query has for `name`, if it is one of the choices."""
        found = self.query.get(name, default)
        return found if found in choices else default

    def number(self, name: str) -> int:
        """The query's number `name`, which counts from 1, as one that counts from 0; 0 for what is none."""
        found = self.query.get(name, "")
        return max(int(found) - 1, 0) if found.isdecimal() and len(found) < 7 else 0


def check_same_site(request: Request) -> None:
    """Raise ProblemError (403) for what another site asks for: browsers say who asks, and no page can lie."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin", "")
    same = site == "same-origin" if site is not None else urlsplit(origin).netloc == request.headers.get("host")
    if not same:
        raise ProblemError(
            FORBIDDEN, f"the request was not sent from this site but from {origin or 'an unknown one'!r}"
        )


def refuse_other_sites(request: Request) -> None:
    """Raise ProblemError (403) where a browser brings a change from another site; programs say nothing of sites."""
    says = "sec-fetch-site" in request.headers or "origin" in request.headers
    if says and request.method not in ("GET", "HEAD"):
        check_same_site(request)

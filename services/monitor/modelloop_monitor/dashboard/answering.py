"""From a request to a page and back: who asks, what a form held, errors as pages that say what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from modelloop_monitor.answers import problem_of
from modelloop_monitor.bodies import read_body
from modelloop_monitor.dashboard.rendering import render
from modelloop_monitor.dashboard.signing import COOKIE, Gate
from modelloop_monitor.dashboard.visit import Visit, check_same_site

_MOST_FORM_BYTES = 16 << 10
_FORM_SECONDS = 10.0

SECURITY: Mapping[str, str] = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
# What a page says is of this moment and of this person.
_PAGE = {**SECURITY, "cache-control": "no-store", "vary": "HX-Request"}

Handler = Callable[[Visit], Response]


def page(template: str, visit: Visit | None, status: int = 200, **values: object) -> Response:
    """A page by its template."""
    return HTMLResponse(render(template, visit, **values), status, dict(_PAGE))


def see_other(address: str) -> Response:
    """Where the answer to a form lies, so that loading it again does not send the form again."""
    return RedirectResponse(address, 303, dict(_PAGE))


@dataclass(frozen=True)
class Pages:
    """Adds pages to a router; a handler gets a Visit, may read the database, and raises what it cannot answer."""

    router: APIRouter
    gate: Gate
    now: Callable[[], float]

    def get(self, path: str, handler: Handler) -> None:
        """Add a page."""
        self._add(path, "GET", handler)

    def post(self, path: str, handler: Handler) -> None:
        """Add what a form is sent to: only from this site, and only by those who may change something."""
        self._add(path, "POST", handler)

    def _add(self, path: str, method: str, handler: Handler) -> None:
        async def endpoint(request: Request) -> Response:
            try:
                form = await read_form(request) if method == "POST" else {}
                visit = self._visit(request, form)
                return await run_in_threadpool(handler, visit)
            except Exception as error:  # noqa: BLE001 whatever it is, a person gets a page, and the log the traceback
                return self.problem(error, request)

        self.router.add_api_route(path, endpoint, methods=[method], include_in_schema=False, response_model=None)

    def _visit(self, request: Request, form: Mapping[str, str]) -> Visit:
        now = self.now()
        host = request.client.host if request.client else ""
        return Visit(
            viewer=self.gate.viewer(request.headers, request.cookies.get(COOKIE, ""), host, now),
            now=now,
            path=request.url.path,
            place=request.path_params,
            query=dict(request.query_params),
            form=form,
            is_fragment="hx-request" in request.headers and "hx-history-restore-request" not in request.headers,
        )

    def problem(self, error: Exception, request: Request) -> Response:
        """What went wrong, in words, and what to do; whoever has to sign in first is led there."""
        problem = problem_of(error, request.method, request.url.path)
        template = "sign_in.html" if problem.kind.status == 401 else "problem.html"
        following = request.url.path if request.method == "GET" else "/"
        by_token = self.gate.access.token is not None
        answer = page(template, None, problem.kind.status, problem=problem, following=following, by_token=by_token)
        answer.headers.update(problem.headers)
        # htmx puts no page of an error into a fragment's place: have the browser load the page as a whole.
        if "hx-request" in request.headers:
            answer.headers["hx-redirect"] = request.url.path
        return answer


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form of this site; raises ProblemError."""
    check_same_site(request)
    body, _ = await read_body(request, max_bytes=_MOST_FORM_BYTES, seconds=_FORM_SECONDS)
    return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))

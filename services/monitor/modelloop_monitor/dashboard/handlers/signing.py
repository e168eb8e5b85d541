"""`/sign-in` and `/sign-out`: a session for whoever shows a token."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Request
from fastapi.responses import Response

from modelloop_monitor.dashboard.answering import Pages, page, read_form, see_other
from modelloop_monitor.dashboard.signing import COOKIE, SESSION_SECONDS, Gate
from modelloop_monitor.problems import ProblemError


def add_signing(router: APIRouter, pages: Pages, gate: Gate, now: Callable[[], float]) -> None:
    """Add them; they are open to everybody."""

    async def sign_in(request: Request) -> Response:
        form: dict[str, str] = {}
        try:
            form = await read_form(request)
            session = gate.session(form.get("token", ""), now())
        except ProblemError as problem:
            return _again(problem, form)
        answer = see_other(local(form.get("following", "/")))
        answer.set_cookie(
            COOKIE, session, SESSION_SECONDS, httponly=True, samesite="strict", secure=_is_encrypted(request), path="/"
        )
        return answer

    async def sign_out(request: Request) -> Response:
        try:
            await read_form(request)
        except ProblemError as problem:
            return pages.problem(problem, request)
        answer = see_other("/")
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer

    def shown(_: Request) -> Response:
        return page("sign_in.html", None, problem=None, following="/", by_token=gate.access.token is not None)

    def _again(problem: ProblemError, form: dict[str, str]) -> Response:
        following, by_token = local(form.get("following", "/")), gate.access.token is not None
        values = {"problem": problem, "following": following, "by_token": by_token}
        return page("sign_in.html", None, problem.kind.status, **values)

    for path, endpoint, method in (
        ("/sign-in", shown, "GET"),
        ("/sign-in", sign_in, "POST"),
        ("/sign-out", sign_out, "POST"),
    ):
        router.add_api_route(path, endpoint, methods=[method], include_in_schema=False, response_model=None)


def local(address: str) -> str:
    """The address if it is one of this site, else the first page's."""
    # `//host` and `/\host` lead elsewhere.
    leads_here = address.startswith("/") and address[1:2] not in ("/", "\\") and address.isprintable()
    return address if leads_here else "/"


def _is_encrypted(request: Request) -> bool:
    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto", ""))

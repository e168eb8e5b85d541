"""Tokens and a proxy's headers say who may see which namespace."""

from __future__ import annotations

import pytest

from modelloop_monitor.access import Access, Caller, namespace_token
from modelloop_monitor.problems import ProblemError

SECURED = Access(token="s3cret")
SHOP = namespace_token("s3cret", "shop")
PROXIED = Access(token="s3cret", user_header="x-forwarded-user", namespaces_header="x-namespaces")


@pytest.mark.parametrize(
    ("access", "headers", "caller"),
    [
        pytest.param(Access(), {}, Caller(None, writes=True), id="no token: the network is the boundary"),
        pytest.param(SECURED, {"authorization": "Bearer s3cret"}, Caller(None, writes=True), id="the token"),
        pytest.param(SECURED, {"authorization": "bearer s3cret"}, Caller(None, writes=True), id="in small letters"),
        pytest.param(
            SECURED,
            {"authorization": f"Bearer {SHOP}"},
            Caller(frozenset({"shop"}), writes=True),
            id="a namespace's token",
        ),
        pytest.param(
            PROXIED,
            {"x-forwarded-user": "ann", "x-namespaces": "shop, bank,"},
            Caller(frozenset({"shop", "bank"}), writes=False),
            id="signed in at the proxy",
        ),
        pytest.param(
            PROXIED, {"x-forwarded-user": "ann"}, Caller(frozenset(), writes=False), id="signed in without namespaces"
        ),
    ],
)  # fmt: skip
def test_who_calls(access: Access, headers: dict[str, str], caller: Caller) -> None:
    assert access.caller(headers) == caller


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer other"},
        {"authorization": "Bearer é"},
        {"authorization": "Basic s3cret"},
        {"authorization": "Bearer bank." + SHOP.partition(".")[2]},
        {"x-forwarded-user": "ann"},
    ],
)
def test_who_does_not(headers: dict[str, str]) -> None:
    with pytest.raises(ProblemError, match="Unauthorized"):
        SECURED.caller(headers)


def test_namespaces_are_kept_apart() -> None:
    caller = SECURED.caller({"authorization": f"Bearer {SHOP}"})
    caller.require("shop", write=True)
    with pytest.raises(ProblemError, match="'bank' is not yours"):
        caller.require("bank")


def test_a_signed_in_person_only_reads() -> None:
    caller = PROXIED.caller({"x-forwarded-user": "ann", "x-namespaces": "shop"})
    caller.require("shop")
    with pytest.raises(ProblemError, match="Forbidden"):
        caller.require("shop", write=True)

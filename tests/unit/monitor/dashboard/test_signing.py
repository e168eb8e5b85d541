"""Who gets in, to what, and until when."""

from __future__ import annotations

import pytest

from modelloop_monitor.access import Access, Caller, namespace_token
from modelloop_monitor.dashboard.handlers.signing import local
from modelloop_monitor.dashboard.signing import SESSION_SECONDS, Gate, Viewer
from modelloop_monitor.problems import ProblemError

NOW = 1_770_000_000.0
TOKEN = Gate(Access(token="s3cret"), "cluster")
PROXY = Gate(
    Access(
        user_header="x-forwarded-user",
        groups_header="x-forwarded-groups",
        grants={"user:ann": ("bank",), "group:shop-team": ("shop", "basket"), "group:admins": ("*",)},
    ),
    "cluster",
)


def _enter(gate: Gate, cookie: str = "", host: str = "10.0.0.9", now: float = NOW, **headers: str) -> Viewer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return gate.viewer(named, cookie, host, now)


def test_a_session_opens_what_its_token_opens() -> None:
    whole = _enter(TOKEN, TOKEN.session("s3cret", NOW))
    part = _enter(TOKEN, TOKEN.session(f" {namespace_token('s3cret', 'shop')}\n", NOW))
    assert (whole.caller, whole.may_change, whole.by_token) == (Caller(None, writes=True), True, True)
    assert part.caller == Caller(frozenset({"shop"}), writes=True)


def test_a_session_ends() -> None:
    cookie = TOKEN.session("s3cret", NOW)
    assert _enter(TOKEN, cookie, now=NOW + SESSION_SECONDS - 1).by_token
    with pytest.raises(ProblemError, match="sign in with the monitor's token"):
        _enter(TOKEN, cookie, now=NOW + SESSION_SECONDS)


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        "rubbish",
        "..",
        f"*.{NOW:.0f}.",
        TOKEN.session("s3cret", NOW).replace("*", "shop", 1),
        Gate(Access(token="other"), "cluster").session("other", NOW),
        namespace_token("s3cret", f"*.{NOW + 100:.0f}"),
    ],
)
def test_a_session_cannot_be_made_up(cookie: str) -> None:
    with pytest.raises(ProblemError, match="Unauthorized"):
        _enter(TOKEN, cookie)


def test_a_wrong_token_makes_no_session() -> None:
    for gate, token in ((TOKEN, "guess"), (TOKEN, ""), (PROXY, "")):
        with pytest.raises(ProblemError, match="Unauthorized"):
            gate.session(token, NOW)


@pytest.mark.parametrize(
    ("user", "groups", "namespaces"),
    [
        ("ann", "", {"bank"}),
        ("ann", "shop-team, others", {"bank", "shop", "basket"}),
        ("bob", "shop-team", {"shop", "basket"}),
        ("bob", "", set()),
        ("bob", "admins", None),
        ("group:admins", "", set()),
    ],
)
def test_groups_and_users_are_granted_namespaces(user: str, groups: str, namespaces: set[str] | None) -> None:
    viewer = _enter(PROXY, x_forwarded_user=user, x_forwarded_groups=groups)
    assert viewer.caller.namespaces == namespaces
    assert (viewer.name, viewer.may_change) == (user, True)


def test_headers_count_only_where_they_are_trusted() -> None:
    with pytest.raises(ProblemError, match="sign in with the monitor's token"):
        _enter(TOKEN, x_forwarded_user="ann")
    with pytest.raises(ProblemError, match="come through the proxy"):
        _enter(PROXY)


@pytest.mark.parametrize(
    ("anonymous", "host", "enters"),
    [
        ("cluster", "10.0.0.9", True),
        ("loopback", "127.0.0.1", True),
        ("loopback", "::1", True),
        ("loopback", "10.0.0.9", False),
        ("loopback", "", False),
        ("nobody", "127.0.0.1", False),
    ],
)
def test_without_any_sign_in_the_settings_say_who_may_read(anonymous: str, host: str, enters: bool) -> None:
    gate = Gate(Access(), anonymous)
    if enters:
        assert _enter(gate, host=host) == Viewer(Caller(None, writes=False), "", may_change=False)
    else:
        with pytest.raises(ProblemError, match="MODELLOOP_MONITOR_TOKEN"):
            _enter(gate, host=host)


@pytest.mark.parametrize(
    ("address", "led_to"),
    [
        ("/models/shop/churn", "/models/shop/churn"),
        ("/", "/"),
        ("", "/"),
        ("https://elsewhere.example/", "/"),
        ("//elsewhere.example/", "/"),
        ("/\\elsewhere.example/", "/"),
        ("/a\r\nset-cookie: x=1", "/"),
    ],
)
def test_signing_in_leads_to_no_other_site(address: str, led_to: str) -> None:
    assert local(address) == led_to

"""Signing in by token and by proxy, namespaces apart, forms of other sites refused, the database away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from modelloop_core.wire.tokens import namespace_token
from modelloop_monitor.store import models
from support.monitors import DIGEST, NOON, REFERENCE, Running, example_post, running

HERE = {"sec-fetch-site": "same-origin"}
TOKEN = {"authorization": "Bearer s3cret"}
ANN = {"x-forwarded-user": "ann", "x-forwarded-groups": "shop-team"}


def _told(database: str, **settings: Any) -> Iterator[Running]:
    with running(database, **settings) as found:
        # A browser's cookies cross the wire over TLS only.
        found.client.base_url = "https://testserver"
        found.client.follow_redirects = False
        put = found.client.put(f"/v1/references/{DIGEST}", content=REFERENCE, headers=TOKEN)
        assert put.status_code == 204
        for sequence, namespace in enumerate(("shop", "bank")):
            assert found.post(example_post(sequence, namespace=namespace), **TOKEN).status_code == 200
        found.fold()
        yield found


@pytest.fixture
def by_token(tmp_path: Path) -> Iterator[Running]:
    yield from _told(f"sqlite:///{tmp_path / 'm.db'}", token="s3cret")


@pytest.fixture
def by_proxy(tmp_path: Path) -> Iterator[Running]:
    grants = {"group:shop-team": ("shop",)}
    named = {"user_header": "X-Forwarded-User", "groups_header": "X-Forwarded-Groups", "grants": grants}
    yield from _told(f"sqlite:///{tmp_path / 'm.db'}", token="s3cret", **named)


def _sign_in(monitor: Running, token: str, following: str = "/", **headers: str) -> Any:
    form = {"token": token, "following": following}
    return monitor.client.post("/sign-in", content=_form(form), headers={**HERE, **headers})


def test_who_has_no_session_is_led_to_sign_in_and_back(by_token: Running) -> None:
    asked = by_token.client.get("/models/shop/churn")
    assert (asked.status_code, asked.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert 'name="following" value="/models/shop/churn"' in asked.text
    answer = _sign_in(by_token, "s3cret", "/models/shop/churn")
    assert (answer.status_code, answer.headers["location"]) == (303, "/models/shop/churn")
    cookie = answer.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "samesite=strict", "secure", "path=/"))
    assert "s3cret" not in cookie
    assert by_token.client.get("/models/shop/churn").status_code == 200


def test_a_namespaces_token_opens_that_namespace_alone(by_token: Running) -> None:
    assert _sign_in(by_token, namespace_token("s3cret", "shop")).status_code == 303
    listed = by_token.client.get("/").text
    assert "shop/</span>churn" in listed
    assert "bank" not in listed
    refused = by_token.client.get("/models/bank/churn")
    assert refused.status_code == 403
    assert "is not yours" in refused.text
    assert "grants" in refused.text


def test_a_wrong_token_is_told_and_signing_out_ends_the_session(by_token: Running) -> None:
    wrong = _sign_in(by_token, "guess")
    assert wrong.status_code == 401
    assert "not valid" in wrong.text
    _sign_in(by_token, "s3cret")
    assert "Sign out" in by_token.client.get("/").text
    assert by_token.client.post("/sign-out", headers=HERE).status_code == 303
    assert by_token.client.get("/").status_code == 401


def test_the_proxys_headers_name_who_may_see_what(by_proxy: Running) -> None:
    listed = by_proxy.client.get("/", headers=ANN).text
    assert "ann" in listed
    assert "shop/</span>churn" in listed
    assert "bank" not in listed
    assert by_proxy.client.get("/models/bank/churn", headers=ANN).status_code == 403
    stranger = by_proxy.client.get("/", headers={"x-forwarded-user": "bob"})
    assert "No model has posted yet" in stranger.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "https://testserver"},
        {"sec-fetch-site": "none"},
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
    ],
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
def test_forms_of_other_sites_change_nothing(by_token: Running, path: str, headers: dict[str, str]) -> None:
    answer = by_token.client.post(path, content=_form({"token": "s3cret"}), headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_an_older_browser_is_known_by_its_origin(by_token: Running) -> None:
    answer = by_token.client.post(
        "/sign-in", content=_form({"token": "s3cret"}), headers={"origin": "https://testserver"}
    )
    assert answer.status_code == 303


def test_a_huge_form_is_refused(by_token: Running) -> None:
    assert _sign_in(by_token, "x" * 100_000).status_code == 413


_SILENCE = {"seconds": "3600", "reason": "known"}


@pytest.mark.parametrize(
    ("namespace", "headers", "fields", "status"),
    [
        pytest.param("shop", HERE, _SILENCE, 303, id="in one's own namespace"),
        pytest.param("bank", HERE, _SILENCE, 403, id="in another namespace"),
        pytest.param("shop", {}, _SILENCE, 403, id="from another site"),
        pytest.param("shop", HERE, {**_SILENCE, "reason": " "}, 422, id="without a reason"),
        pytest.param("shop", HERE, {**_SILENCE, "seconds": "1e99"}, 422, id="for ever"),
        pytest.param("shop", HERE, {}, 422, id="with nothing said"),
    ],
)
def test_who_is_signed_in_by_the_proxy_may_silence_what_is_theirs(
    by_proxy: Running, namespace: str, headers: dict[str, str], fields: dict[str, str], status: int
) -> None:
    path = f"/models/{namespace}/churn/silences"
    answer = by_proxy.client.post(path, content=_form(fields), headers={**ANN, **headers})
    assert answer.status_code == status
    told = by_proxy.client.get(f"/v1/models/{namespace}/churn/silences", headers=TOKEN).json()["silences"]
    assert [one["reason"] for one in told] == (["known (ann)"] if status == 303 else [])


def test_without_any_sign_in_nothing_can_be_changed(tmp_path: Path) -> None:
    with running(f"sqlite:///{tmp_path / 'm.db'}") as monitor:
        monitor.put_reference()
        assert monitor.post(example_post(0)).status_code == 200
        monitor.fold()
        assert "have to be known" in monitor.client.get("/models/shop/churn/incidents").text
        answer = monitor.client.post("/models/shop/churn/silences", content=_form(_SILENCE), headers=HERE)
        assert answer.status_code == 403
        assert "has to sign in" in answer.text


def test_pages_allow_nothing_from_elsewhere_and_are_not_kept(by_token: Running) -> None:
    for path in ("/", "/sign-in", "/models/shop/nothing"):
        headers = by_token.client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"


def test_names_from_posts_are_text_and_never_markup(tmp_path: Path) -> None:
    with running(f"sqlite:///{tmp_path / 'm.db'}") as monitor:
        monitor.put_reference()
        evil = "<script>alert(1)</script>"
        assert monitor.post(example_post(0, version=evil, name="a<b", namespace='"><i>')).status_code == 200
        monitor.fold()
        for path in ("/", "/models/%22%3E%3Ci%3E/a%3Cb?period=1h", "/?q=<script>alert(1)</script>"):
            answer = monitor.client.get(path)
            assert answer.status_code == 200
            assert evil not in answer.text
            assert "<i>" not in answer.text


def test_with_the_database_away_a_page_says_that_nothing_is_lost(tmp_path: Path) -> None:
    with running(f"sqlite:///{tmp_path / 'm.db'}") as monitor:
        (tmp_path / "m.db").rename(tmp_path / "elsewhere.db")
        answer = monitor.client.get("/")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert "Nothing is lost" in answer.text
        part = monitor.client.get("/?q=x", headers={"hx-request": "true"})
        assert part.headers["hx-redirect"] == "/"


def test_a_thousand_models_are_listed_quickly_and_by_page(tmp_path: Path) -> None:
    with running(f"sqlite:///{tmp_path / 'm.db'}") as monitor:
        with monitor.monitor.store.writing() as connection:
            models.heard(connection, {("shop", f"model-{number:04}"): NOON - 5 for number in range(1000)})
        first = monitor.client.get("/").text
        assert "1,000 models" in first
        assert "Page 1 of 20" in first
        last = monitor.client.get("/?page=20").text
        assert "model-0999" in last
        assert "model-0949" not in last
        assert "1 model matches" in monitor.client.get("/?q=shop+0512").text


def _form(fields: dict[str, str]) -> bytes:
    return urlencode(fields).encode()

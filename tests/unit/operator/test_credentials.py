"""Store credentials from Secrets: by name, kept for minutes, problems named and values never shown."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fakes.cluster import FakeCluster
from modelloop_core.api.spec import Registry as RegistryRef
from modelloop_operator.cluster.credentials import Credentials, Keys, SecretProblem
from modelloop_operator.cluster.kinds import SECRET, Kind
from modelloop_operator.cluster.port import ClusterError, Rejected, Unreachable

PAIR = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "hush"}
KEPT_SECONDS = 300.0


class Seconds:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def put_secret(cluster: FakeCluster, name: str, **texts: str) -> None:
    data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    cluster.put(SECRET, {"metadata": {"name": name, "namespace": "shop"}, "data": data})


def ref(**fields: Any) -> RegistryRef:
    return RegistryRef(uri="s3://models/churn", **fields)


def ask(cluster: FakeCluster, registry: RegistryRef, folder: Path | None = None) -> Keys:
    async def main() -> Keys:
        return await Credentials(cluster, clock=Seconds(), folder=folder).of("shop", registry)

    return asyncio.run(main())


def test_without_a_secret_the_process_is_itself() -> None:
    assert ask(FakeCluster(), ref()) == Keys()


def test_keys_come_from_the_named_secret() -> None:
    cluster = FakeCluster()
    put_secret(cluster, "store", **PAIR, AWS_SESSION_TOKEN="t")
    assert ask(cluster, ref(secretName="store")) == Keys("me", "hush", "t")


def test_keys_are_never_shown() -> None:
    assert "hush" not in repr(Keys("me", "hush", "token"))
    assert "token" not in repr(Keys("me", "hush", "token"))


def test_a_ca_becomes_a_file(tmp_path: Path) -> None:
    cluster = FakeCluster()
    put_secret(cluster, "store", **PAIR)
    put_secret(cluster, "ca", **{"ca.crt": "PEM"})
    found = ask(cluster, ref(endpoint="https://s3.example", secretName="store", caSecretName="ca"), tmp_path)
    assert Path(str(found.ca_file)).read_text() == "PEM"
    assert Path(str(found.ca_file)).parent == tmp_path


PROBLEMS = [
    pytest.param({}, "SecretNotFound", "Secret shop/store named in spec.registry does not exist", id="there is none"),
    pytest.param(
        {"AWS_ACCESS_KEY_ID": "me"}, "SecretInvalid", "Secret shop/store lacks AWS_SECRET_ACCESS_KEY", id="half of it"
    ),
    pytest.param(
        {"other": "x"},
        "SecretInvalid",
        "Secret shop/store lacks AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        id="none of it",
    ),
    pytest.param({**PAIR, "AWS_ACCESS_KEY_ID": ""}, "SecretInvalid", "lacks AWS_ACCESS_KEY_ID", id="an empty key"),
]


@pytest.mark.parametrize(("texts", "reason", "told"), PROBLEMS)
def test_a_problem_names_the_secret_and_what_it_lacks(texts: dict[str, str], reason: str, told: str) -> None:
    cluster = FakeCluster()
    if texts:
        put_secret(cluster, "store", **texts)
    with pytest.raises(SecretProblem) as found:
        ask(cluster, ref(secretName="store"))
    assert found.value.reason == reason
    assert told in str(found.value)


def test_bytes_that_are_no_text_are_a_problem_that_does_not_show_them() -> None:
    cluster = FakeCluster()
    value = base64.b64encode(b"\xff\xfe").decode()
    body = {"metadata": {"name": "store", "namespace": "shop"}, "data": {"AWS_ACCESS_KEY_ID": value}}
    cluster.put(SECRET, body)
    with pytest.raises(SecretProblem, match="not text") as found:
        ask(cluster, ref(secretName="store"))
    assert value not in str(found.value)


def test_a_secret_without_data_lacks_everything() -> None:
    cluster = FakeCluster()
    cluster.put(SECRET, {"metadata": {"name": "store", "namespace": "shop"}, "data": None})
    with pytest.raises(SecretProblem, match="lacks AWS_ACCESS_KEY_ID"):
        ask(cluster, ref(secretName="store"))


def test_a_ca_secret_without_a_certificate_is_named() -> None:
    cluster = FakeCluster()
    put_secret(cluster, "store", **PAIR)
    put_secret(cluster, "ca", other="x")
    with pytest.raises(SecretProblem, match=r"Secret shop/ca lacks ca\.crt"):
        ask(cluster, ref(endpoint="https://s3.example", secretName="store", caSecretName="ca"))


def test_a_secret_that_may_not_be_read_is_told_as_such() -> None:
    cluster = FakeCluster()
    cluster.refuse = lambda verb, kind, name: Rejected("secrets is forbidden")
    with pytest.raises(SecretProblem, match="may not read Secret shop/store") as found:
        ask(cluster, ref(secretName="store"))
    assert found.value.reason == "SecretInvalid"


def test_an_api_server_that_is_away_is_no_problem_of_the_secret() -> None:
    cluster = FakeCluster()
    cluster.unreachable = True
    with pytest.raises(Unreachable):
        ask(cluster, ref(secretName="store"))


def test_a_secret_is_read_once_in_five_minutes_and_again_when_forgotten() -> None:
    cluster, clock, reads = FakeCluster(), Seconds(), []
    put_secret(cluster, "store", **PAIR)

    def count(verb: str, kind: Kind, name: str) -> ClusterError | None:
        reads.append((verb, kind.kind, name))
        return None

    cluster.refuse = count
    assert story(cluster, clock, reads) == [1, 1, 2, 3]


def story(cluster: FakeCluster, clock: Seconds, reads: list[Any]) -> list[int]:
    async def main() -> list[int]:
        credentials = Credentials(cluster, clock=clock)
        seen: list[int] = []

        async def look(moment: float, before: Callable[[], Awaitable[None] | None] = lambda: None) -> None:
            clock.now = moment
            before()
            await credentials.of("shop", ref(secretName="store"))
            seen.append(len(reads))

        await look(0)
        await look(KEPT_SECONDS - 1)
        await look(KEPT_SECONDS)
        await look(KEPT_SECONDS + 1, lambda: credentials.forget("shop"))
        return seen

    return asyncio.run(main())


def test_secrets_are_never_listed() -> None:
    cluster, verbs = FakeCluster(), set()
    put_secret(cluster, "store", **PAIR)

    def note(verb: str, kind: Kind, name: str) -> ClusterError | None:
        verbs.add(verb)
        return None

    cluster.refuse = note
    ask(cluster, ref(secretName="store"))
    assert verbs == {"get"}


def test_an_author_s_endpoint_does_not_get_to_see_the_operator() -> None:
    with pytest.raises(SecretProblem) as found:
        ask(FakeCluster(), ref(endpoint="http://mine.example:9000"))
    assert found.value.reason == "SecretRequired"
    for told in ("'http://mine.example:9000'", "spec.registry.secretName", "operator.ownIdentityEndpoints"):
        assert told in str(found.value)


def test_an_endpoint_that_the_installation_trusts_does() -> None:
    async def main() -> Keys:
        trusted = ["http://store.example:9000/"]
        credentials = Credentials(FakeCluster(), clock=Seconds(), own_identity_endpoints=trusted)
        return await credentials.of("shop", ref(endpoint="http://store.example:9000"))

    assert asyncio.run(main()) == Keys()


def test_an_author_s_own_keys_go_to_any_endpoint() -> None:
    cluster = FakeCluster()
    put_secret(cluster, "store", **PAIR)
    assert ask(cluster, ref(endpoint="http://mine.example:9000", secretName="store")) == Keys("me", "hush")


def test_a_ca_file_is_never_seen_half_written_and_written_once(tmp_path: Path) -> None:
    cluster = FakeCluster()
    put_secret(cluster, "store", **PAIR)
    put_secret(cluster, "ca", **{"ca.crt": "PEM"})
    registry = ref(endpoint="https://s3.example", secretName="store", caSecretName="ca")
    path = Path(str(ask(cluster, registry, tmp_path).ca_file))
    first = path.stat().st_ino
    assert Path(str(ask(cluster, registry, tmp_path).ca_file)).stat().st_ino == first
    path.write_text("PE")
    held = path.open()
    ask(cluster, registry, tmp_path)
    assert (held.read(), path.read_text()) == ("PE", "PEM"), "a reader must keep the whole file that it opened"
    held.close()
    assert list(tmp_path.iterdir()) == [path]

"""Store credentials from Secrets: read by name, never listed, kept for minutes, never logged."""

from __future__ import annotations

import base64
import binascii
import hashlib
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from modelloop_core.api.spec import Registry as RegistryRef
from modelloop_operator.cluster.kinds import SECRET
from modelloop_operator.cluster.port import Cluster, Missing, Object, Rejected

_KEPT_SECONDS = 300.0


class SecretProblem(Exception):
    """A Secret that an MLModel names cannot be used; `reason` is one word for conditions."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Keys:
    """What a store client needs to be let in; all None means the process's own identity."""

    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    ca_file: str | None = None


class Credentials:
    """Reads and keeps the Secrets that MLModels name."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        clock: Callable[[], float],
        own_identity_endpoints: Iterable[str] = (),
        folder: Path | None = None,
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._trusted = frozenset(endpoint.rstrip("/") for endpoint in own_identity_endpoints)
        self._folder = folder
        self._kept: dict[tuple[str, str], tuple[float, dict[str, str]]] = {}

    async def of(self, namespace: str, ref: RegistryRef) -> Keys:
        """The keys for a registry; raises SecretProblem naming the Secret and what it lacks.

        Without a Secret the operator is itself, towards AWS and the endpoints that its installation trusts with that:
        an MLModel's author must not choose who gets to see the operator's identity, nor what it is used on.
        """
        if ref.secretName is None:
            self._require_trust(ref.endpoint)
        if ref.secretName is None and ref.caSecretName is None:
            return Keys()
        data = await self._secret(namespace, ref.secretName) if ref.secretName else {}
        if ref.secretName:
            _require(data, namespace, ref.secretName, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        return Keys(
            data.get("AWS_ACCESS_KEY_ID"),
            data.get("AWS_SECRET_ACCESS_KEY"),
            data.get("AWS_SESSION_TOKEN"),
            await self._ca_file(namespace, ref.caSecretName) if ref.caSecretName else None,
        )

    async def named(self, namespace: str, name: str, *keys: str, field: str) -> dict[str, str]:
        """The Secret that `field` of an MLModel names, with these keys; raises SecretProblem."""
        data = await self._secret(namespace, name, field)
        _require(data, namespace, name, *keys)
        return data

    def forget(self, namespace: str) -> None:
        """Read this namespace's Secrets anew next time: they may have been mended."""
        for key in [key for key in self._kept if key[0] == namespace]:
            del self._kept[key]

    def _require_trust(self, endpoint: str | None) -> None:
        if endpoint is not None and endpoint.rstrip("/") not in self._trusted:
            raise SecretProblem(
                "SecretRequired",
                f"the operator does not show its own identity to {endpoint!r}: name a Secret with the store's keys in "
                "spec.registry.secretName, or have this endpoint listed in the chart's operator.ownIdentityEndpoints",
            )

    async def _secret(self, namespace: str, name: str, field: str = "spec.registry") -> dict[str, str]:
        kept = self._kept.get((namespace, name))
        if kept and kept[0] > self._clock():
            return kept[1]
        try:
            secret = await self._cluster.get(SECRET, namespace, name)
        except Missing as error:
            raise SecretProblem(
                "SecretNotFound", f"Secret {namespace}/{name} named in {field} does not exist"
            ) from error
        except Rejected as error:
            raise SecretProblem(
                "SecretInvalid", f"the operator may not read Secret {namespace}/{name}: {error}"
            ) from error
        data = _decoded(secret, namespace, name)
        self._kept[namespace, name] = (self._clock() + _KEPT_SECONDS, data)
        return data

    async def _ca_file(self, namespace: str, name: str) -> str:
        data = await self._secret(namespace, name)
        _require(data, namespace, name, "ca.crt")
        digest = hashlib.sha256(data["ca.crt"].encode()).hexdigest()[:32]
        path = (self._folder or Path(tempfile.gettempdir())) / f"modelloop-ca-{digest}.crt"
        if not path.is_file() or path.read_text() != data["ca.crt"]:
            _replace(path, data["ca.crt"])
        return str(path)


def _replace(path: Path, text: str) -> None:
    """Put `text` at `path`, where a client that reads it now finds the old whole file or the new."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False) as file:
        file.write(text)
    Path(file.name).replace(path)


def _decoded(secret: Object, namespace: str, name: str) -> dict[str, str]:
    try:
        return {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}
    except (binascii.Error, UnicodeDecodeError) as error:
        raise SecretProblem(
            "SecretInvalid", f"Secret {namespace}/{name} holds bytes that are not text: {error}"
        ) from error


def _require(data: dict[str, str], namespace: str, name: str, *keys: str) -> None:
    lacking = [key for key in keys if not data.get(key)]
    if lacking:
        raise SecretProblem("SecretInvalid", f"Secret {namespace}/{name} lacks {' and '.join(lacking)}")

"""One writer at a time for one version number, also on stores whose create-if-absent has a gap between look and write.

A writer leaves a claim, a key of its own, and then looks at all claims on the number. It goes on only when it is alone;
since every claim is written before its writer looks, two writers cannot both have been alone.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from modelloop_core.registry_errors import VersionBusy
from modelloop_core.storage.port import ObjectStore, StoreError
from modelloop_core.versions import Version

LIFETIME = timedelta(minutes=30)
"""A claim that is older belongs to a writer that died; no upload of one version may take longer."""

_PATIENCE = timedelta(seconds=30)
_POLL = timedelta(milliseconds=200)
_TIME = "%Y%m%dT%H%M%S.%fZ"
_KEY = re.compile(r"^claims/.+/([0-9]{8}T[0-9]{6}\.[0-9]{6}Z)-[0-9a-f]+$")


@dataclass(frozen=True)
class Claim:
    """A writer's right to one number; `is_held` becomes false when others took the writer for dead."""

    store: ObjectStore
    key: str

    def is_held(self) -> bool:
        """Whether the claim is still there."""
        return any(info.key == self.key for info in self.store.list(self.key))


@contextmanager
def claimed(
    store: ObjectStore, version: Version, *, now: Callable[[], datetime], wait: Callable[[float], None]
) -> Iterator[Claim]:
    """Hold the only claim on `version`; raises VersionBusy when another writer was first."""
    prefix = f"claims/{version}/"
    claim = Claim(store, f"{prefix}{now().astimezone(UTC).strftime(_TIME)}-{secrets.token_hex(6)}")
    store.create(claim.key, b"")
    try:
        _wait_until_alone(claim, prefix, version, now, wait)
        yield claim
    finally:
        # A claim that cannot be removed now runs out by itself.
        with suppress(StoreError):
            store.delete(claim.key)


def _wait_until_alone(
    claim: Claim, prefix: str, version: Version, now: Callable[[], datetime], wait: Callable[[float], None]
) -> None:
    deadline = now() + _PATIENCE
    while others := _others(claim, prefix, now()):
        first = min(others)
        # Of writers that see each other the one with the later name gives way, so one of them always goes on.
        if first < claim.key or now() >= deadline:
            raise VersionBusy(_busy(version, first))
        wait(_POLL.total_seconds())


def _others(claim: Claim, prefix: str, now: datetime) -> list[str]:
    others = [info.key for info in claim.store.list(prefix) if info.key != claim.key]
    expired = [key for key in others if (since := _since(key)) and since + LIFETIME < now]
    for key in expired:
        claim.store.delete(key)
    return [key for key in others if key not in expired]


def _since(key: str) -> datetime | None:
    found = _KEY.match(key)
    return datetime.strptime(found.group(1), _TIME).replace(tzinfo=UTC) if found else None


def _busy(version: Version, key: str) -> str:
    since = _since(key)
    if since is None:
        return f"version {version} is claimed by {key!r}, which no writer of ModelLoop made; remove it"
    until = f"{since + LIFETIME:%Y-%m-%dT%H:%M:%SZ}"
    return (
        f"version {version} is being written by somebody else since {since:%Y-%m-%dT%H:%M:%SZ}; take another number, "
        f"or try again (a writer that died loses its claim at {until})"
    )

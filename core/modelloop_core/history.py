"""`history/`: what happened to each version, where and why; states are derived from it, never stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from modelloop_core.versions import Version

HISTORY_PREFIX = "history/"


class EventKind(StrEnum):
    """What happened to a version."""

    REGISTERED = "registered"
    CANARY = "canary"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled-back"
    REJECTED = "rejected"
    ARCHIVED = "archived"


class VersionState(StrEnum):
    """Where a version stands for one MLModel."""

    CANDIDATE = "candidate"
    CANARY = "canary"
    PRODUCTION = "production"
    ARCHIVED = "archived"
    REJECTED = "rejected"


class _Value(BaseModel):
    # Unknown fields are skipped: an older reader must still understand the history that a newer one wrote.
    model_config = ConfigDict(frozen=True, extra="ignore")


class Identity(_Value):
    """The MLModel that an event is about; all empty for what happened outside a cluster."""

    cluster: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.cluster, self.namespace, self.name) if part)

    @property
    def is_nobody(self) -> bool:
        """Whether the event concerns every MLModel that uses the registry."""
        return not self.name

    def is_same_as(self, other: Identity) -> bool:
        """Equal cluster, namespace and name, and equal uid where both know it."""
        same_name = (self.cluster, self.namespace, self.name) == (other.cluster, other.namespace, other.name)
        return same_name and (not self.uid or not other.uid or self.uid == other.uid)


class HistoryEvent(_Value):
    """One thing that happened to one version; immutable, and the same event twice is one event."""

    event: EventKind
    version: Annotated[str, AfterValidator(lambda text: str(Version.parse(text)))]
    time: AwareDatetime
    reason: str = Field(default="", max_length=2000)
    identity: Identity = Identity()

    @property
    def key(self) -> str:
        """Where the event is kept: sorts by time, and differs for events that differ."""
        moment = self.time.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        digest = hashlib.sha256(self.to_json()).hexdigest()[:12]
        return f"{HISTORY_PREFIX}{moment}-{self.event.value}-{digest}.json"

    def to_json(self) -> bytes:
        """The event as it is stored."""
        utc = self.model_copy(update={"time": self.time.astimezone(UTC)})
        return utc.model_dump_json(indent=2).encode()


def states(events: Iterable[HistoryEvent], identity: Identity | None = None) -> dict[Version, VersionState]:
    """The state of each version that `events` (in time order) name, as `identity` sees it.

    Without an identity the events of all MLModels count. After a rollback from production the version before it is in
    production again, as its pods are.
    """
    found: dict[Version, VersionState] = {}
    production: list[Version] = []
    for event in events:
        if identity is None or event.identity.is_nobody or event.identity.is_same_as(identity):
            _apply(event.event, Version.parse(event.version), found, production)
    return found


def deployments(events: Iterable[HistoryEvent], version: Version) -> tuple[tuple[Identity, AwareDatetime], ...]:
    """Each MLModel that has `version` in production, with the time of its latest promotion there."""
    known = sorted(events, key=lambda event: event.time)
    promoted = [event for event in known if event.event is EventKind.PROMOTED and event.version == str(version)]
    latest = {(event.identity.cluster, event.identity.namespace, event.identity.name): event for event in promoted}
    return tuple(
        (event.identity, event.time)
        for event in latest.values()
        if states(known, event.identity).get(version) is VersionState.PRODUCTION
    )


def _apply(event: EventKind, version: Version, found: dict[Version, VersionState], production: list[Version]) -> None:
    match event:
        case EventKind.REGISTERED:
            found.setdefault(version, VersionState.CANDIDATE)
        case EventKind.CANARY:
            found[version] = VersionState.CANARY
        case EventKind.PROMOTED:
            _leave(version, production)
            if production:
                found[production[-1]] = VersionState.ARCHIVED
            production.append(version)
            found[version] = VersionState.PRODUCTION
        case EventKind.ROLLED_BACK | EventKind.REJECTED | EventKind.ARCHIVED:
            was_live = production[-1:] == [version]
            _leave(version, production)
            found[version] = VersionState.ARCHIVED if event is EventKind.ARCHIVED else VersionState.REJECTED
            if was_live and event is EventKind.ROLLED_BACK and production:
                found[production[-1]] = VersionState.PRODUCTION


def _leave(version: Version, production: list[Version]) -> None:
    if version in production:
        production.remove(version)

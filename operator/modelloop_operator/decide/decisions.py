"""The closed union of moves an MLModel can make; each carries a one-word reason and a sentence for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from modelloop_core.versions import Version


@dataclass(frozen=True)
class Wait:
    """Change nothing; look again after `recheck` at the latest."""

    reason: str
    message: str
    recheck: timedelta


@dataclass(frozen=True)
class Adopt:
    """Status was lost: take `version` as live because of what was found."""

    version: Version
    reason: str
    message: str


@dataclass(frozen=True)
class Start:
    """Bring up pods of `version` beside what is live."""

    version: Version
    reason: str
    message: str


@dataclass(frozen=True)
class Promote:
    """Send all traffic to the candidate; what was live stays warm."""

    version: Version
    reason: str
    message: str


@dataclass(frozen=True)
class Abandon:
    """Take the candidate down without holding anything against it."""

    version: Version
    reason: str
    message: str


@dataclass(frozen=True)
class Refuse:
    """Take the candidate down and remember that it failed here."""

    version: Version
    reason: str
    message: str


@dataclass(frozen=True)
class Drain:
    """No request goes to `version` any more: its pods may leave `after` the requests that are in them."""

    version: Version
    after: timedelta
    reason: str
    message: str


@dataclass(frozen=True)
class Retire:
    """Let the pods of a version that no longer serves leave."""

    version: Version
    reason: str
    message: str


@dataclass(frozen=True)
class Forget:
    """Drop failures that no longer count, so that these versions may be tried again."""

    versions: tuple[Version, ...]
    reason: str
    message: str


@dataclass(frozen=True)
class Answer:
    """Answer a person's request."""

    request_id: str
    verb: str
    done: bool
    forget_failures: bool
    reason: str
    message: str


Decision = Wait | Adopt | Start | Promote | Abandon | Refuse | Drain | Retire | Forget | Answer

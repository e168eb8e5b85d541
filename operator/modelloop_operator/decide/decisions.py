"""The closed union of moves an MLModel can make; each carries a one-word reason and a sentence for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from modelloop_core.versions import Version


@dataclass(frozen=True)
class Wait:
    """Change nothing; look again after `recheck` at the latest.

    `until` is when a time alone ends it; `doubtful` when nothing but a verdict or the gateway's yes is missing.
    """

    reason: str
    message: str
    recheck: timedelta
    until: datetime | None = None
    doubtful: bool = False


@dataclass(frozen=True)
class Adopt:
    """Status was lost: take `version` as live because of what was found; requests still go to those `beside` it."""

    version: Version
    reason: str
    message: str
    beside: tuple[Version, ...] = ()


@dataclass(frozen=True)
class Start:
    """Bring up pods of `version` beside what is live, to take traffic by steps when `staged`."""

    version: Version
    reason: str
    message: str
    staged: bool = False


@dataclass(frozen=True)
class Stage:
    """Let the candidate, whose pods are ready, go through what comes before traffic: a Job called `run`, if any."""

    version: Version
    run: str | None
    reason: str
    message: str


@dataclass(frozen=True)
class Advance:
    """Make ready what the candidate needs for its next share of the traffic."""

    version: Version
    reason: str
    message: str


@dataclass(frozen=True)
class Shift:
    """Give the candidate `weight` percent of the traffic, or copies of `mirror` percent; 0 of both takes it out.

    It is not given up by that.
    """

    version: Version
    weight: int
    reason: str
    message: str
    mirror: int = 0


@dataclass(frozen=True)
class Promote:
    """Send all traffic to the candidate; what was live stays warm."""

    version: Version
    reason: str
    message: str


@dataclass(frozen=True)
class Condemn:
    """Hold against the live `version` that it failed here: the one before it is wanted again."""

    version: Version
    reason: str
    message: str


@dataclass(frozen=True)
class RollBack:
    """Send all traffic back to `version`, whose pods are warm."""

    version: Version
    reason: str
    message: str


@dataclass(frozen=True)
class Force:
    """Go on to all of the traffic without holds and verdicts still missing: a person's word."""


@dataclass(frozen=True)
class Approve:
    """Go on from the present weight: a person's yes."""


@dataclass(frozen=True)
class Pause:
    """Stay at the present weight, or go on."""

    paused: bool


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


Effect = Force | Approve | Pause | Refuse | Condemn | Forget
"""What a person's request changes."""


@dataclass(frozen=True)
class Answer:
    """Answer a person's request; its effect and the answer are one."""

    request_id: str
    verb: str
    done: bool
    reason: str
    message: str
    effect: Effect | None = None


Decision = (
    Wait
    | Adopt
    | Start
    | Stage
    | Advance
    | Shift
    | Promote
    | Condemn
    | RollBack
    | Abandon
    | Refuse
    | Drain
    | Retire
    | Forget
    | Answer
)

"""Whether the containers of a version that is tried, or was promoted just now, crash too often for chance.

A container that dies takes with it what it counted, so no evidence speaks of it.
"""

from __future__ import annotations

from modelloop_core.versions import Version
from modelloop_operator.decide.capacity import share_of
from modelloop_operator.decide.observation import Observation, Pods
from modelloop_operator.decide.plan import plan_of
from modelloop_operator.decide.selection import is_condemned, previous
from modelloop_operator.decide.shares import ALL, Share

MOST_CRASHES = 3
"""How often containers may crash before anything is concluded from it, less one."""

_TIMES_AS_OFTEN = 5


def crashes_of_candidate(candidate: Version, seen: Observation) -> str | None:
    """What to say of the candidate's containers when they keep crashing, None when they do not."""
    return _told(seen.pods.get(candidate), seen.pods.get(seen.stable) if seen.stable else None, share_of(seen))


def crashes_of_promoted(seen: Observation) -> str | None:
    """The same of what is live, while the version before it is kept warm."""
    before = kept_warm(seen)
    if before is None or seen.stable is None:
        return None
    return _told(seen.pods.get(seen.stable), seen.pods.get(before), ALL)


def kept_warm(seen: Observation) -> Version | None:
    """The version that was live before and is kept to go back to, if one is."""
    before = previous(seen)
    warm = any(block.version == str(before) for block in seen.model.status.warm)
    return before if warm and plan_of(seen).keep_warm and not is_condemned(seen) else None


def _told(pods: Pods | None, other: Pods | None, share: Share) -> str | None:
    if pods is None or pods.crashes < MOST_CRASHES or not _much_oftener(pods, other, share):
        return None
    why = f": {pods.trouble.message}" if pods.trouble else ""
    return f"its containers failed {pods.crashes} times under traffic{why}"


def _much_oftener(pods: Pods, other: Pods | None, share: Share) -> bool:
    """Whether it crashes much oftener than the other version, by requests as well as by pods.

    What kills both is not its fault, be it in the requests or in the nodes.
    """
    if other is None:
        return True
    by_pods = pods.desired / max(1, other.desired)
    by_requests = share.percent / (100 - share.weight) if share.weight < ALL.weight else 0.0
    return pods.crashes > _TIMES_AS_OFTEN * max(by_pods, by_requests) * other.crashes

"""A watcher that takes a profile down when the process it was made for is gone, even by SIGKILL."""

import os
import select

from . import local, processes
from .profiles import Profile


def watch(profile: Profile, owner: int) -> None:
    """Sleep until the owner ends, then remove the whole profile."""
    try:
        handle = os.pidfd_open(owner)
    except ProcessLookupError:
        local.down(profile)
        return
    # Opened first, compared second: a reused number cannot slip in between.
    if processes.started_at(owner) == os.environ.get("MODELLOOP_OWNER_STARTED"):
        select.select([handle], [], [])
    local.down(profile)

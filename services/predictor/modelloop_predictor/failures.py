"""Why an attempt to bring a version into the process failed, and whether another can succeed."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from modelloop_core.registry_errors import RegistryError
from modelloop_core.storage.port import AccessDenied, StoreError

_UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)


@dataclass(frozen=True)
class Failure:
    """Why an attempt failed, and whether another can succeed."""

    reason: str
    message: str
    permanent: bool


def judge_fetch(error: Exception) -> Failure:
    """Say what an error of fetching means."""
    message = message_of(error)
    match error:
        case AccessDenied():
            # Not for ever: somebody corrects the credentials or the bucket's policy.
            return Failure("AccessDenied", message, permanent=False)
        case StoreError() | RegistryError():
            return Failure(type(error).__name__, message, permanent=not error.retriable)
        case OSError(errno=number) if number in _UNWRITABLE:
            hint = "name a writable folder in MODELLOOP_CACHE_DIR"
            return Failure("CacheUnwritable", f"{message}; {hint}", permanent=True)
        case OSError():
            return Failure("DiskFailed", message, permanent=False)
        case _:
            return Failure("Unexpected", f"{type(error).__name__}: {message}", permanent=False)


def message_of(error: Exception) -> str:
    """What an error says, in one line of bounded length."""
    return " ".join(str(error).split())[:1000] or type(error).__name__

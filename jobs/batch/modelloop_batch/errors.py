"""What can stop a batch run (StoreError, RegistryError and InferenceError pass through).

BatchError
├── BadInput              what is to be scored is not what the version takes
│   ├── NoInput           there is no Parquet file, or no row in any
│   ├── CorruptInput      a file is no Parquet, or is damaged
│   ├── WrongColumns      a column is missing, there twice, or of a type that cannot be
│   └── TooManyRejects    more rows were refused than the limit allows
├── OutputTaken           the place of this run holds another one
├── InputChanged          the input is no longer what the plan of this run saw
└── NoSpace               a disk is full; retriable
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class BatchError(Exception):
    """A run cannot go on: what was found; what to do. `retriable` says whether trying again can help."""

    retriable = False


class BadInput(BatchError):
    """The input cannot be scored by this version as it is."""


class NoInput(BadInput):
    """There is nothing to score."""


class CorruptInput(BadInput):
    """A file cannot be read as Parquet; the message names it."""


class WrongColumns(BadInput):
    """A file has not the columns that the signature asks for; the message names both."""


class TooManyRejects(BadInput):
    """The signature refuses more rows than the limit allows; the message says why and where they are listed."""


class OutputTaken(BatchError):
    """The folder of this date and version belongs to a run that was asked for something else."""


class InputChanged(BatchError):
    """Files of the input changed, went or came since the run was planned."""


class NoSpace(BatchError):
    """No room was left for the files of a shard; what was finished before stays finished."""

    retriable = True


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def room_in(folder: Path) -> Iterator[None]:
    """Turn a full disk below `folder`, whoever notices it, into NoSpace."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise NoSpace(
            f"no room is left below {str(folder)!r} for the files of a shard; free some, or name another folder in "
            "TMPDIR, and run it again: finished shards are kept"
        ) from error

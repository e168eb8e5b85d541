"""Lets the garbage collector rest while much is made that is none: it would go through all of it, again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_LARGE_BYTES = 64 << 10


@contextmanager
def collecting_nothing(size: int) -> Iterator[None]:
    """Read a document of `size` bytes within; for a small one the collector does as it does."""
    rests = size > _LARGE_BYTES and gc.isenabled()
    if rests:
        gc.disable()
    try:
        yield
    finally:
        if rests:
            gc.enable()

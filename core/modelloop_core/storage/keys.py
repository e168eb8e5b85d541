"""What a key may be, said once for every store: a relative path that cannot leave the store's root."""

from __future__ import annotations

from modelloop_core.storage.port import InvalidKey

RESERVED = ".modelloop-"
"""No segment of a key begins so: a store may keep its own scratch files under such names."""

_MAX_BYTES = 900
_MAX_SEGMENT_BYTES = 255


def check_key(key: str) -> str:
    """The key itself, when every store can hold it; raises InvalidKey otherwise."""
    if fault := _fault(key):
        raise InvalidKey(f"{key!r} cannot be a key: {fault}")
    return key


def check_prefix(prefix: str) -> str:
    """The prefix itself, when keys can begin so; raises InvalidKey otherwise."""
    if prefix:
        check_key(prefix.removesuffix("/"))
    return prefix


def _fault(key: str) -> str | None:
    segments = key.split("/")
    if "" in segments:
        return "it is empty or has an empty segment"
    if "." in segments or ".." in segments:
        return "'.' and '..' would leave its folder"
    if any(not character.isprintable() or character == "\\" for character in key):
        return "it holds a backslash or a character that does not print"
    if any(segment.startswith(RESERVED) for segment in segments):
        return f"names that begin with {RESERVED!r} belong to the store"
    if len(key.encode()) > _MAX_BYTES or any(len(segment.encode()) > _MAX_SEGMENT_BYTES for segment in segments):
        return f"it is longer than {_MAX_BYTES} bytes, or a segment than {_MAX_SEGMENT_BYTES}"
    return None

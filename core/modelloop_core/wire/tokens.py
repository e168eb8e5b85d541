"""The monitor's tokens: the whole one opens everything, and the one of a namespace follows from it."""

from __future__ import annotations

import hashlib
import hmac


def namespace_token(token: str, namespace: str) -> str:
    """The token that opens one namespace alone: whoever has the whole one can make it, and nothing is stored for it."""
    mark = hmac.new(token.encode(), namespace.encode(), hashlib.sha256).hexdigest()
    return f"{namespace}.{mark}"

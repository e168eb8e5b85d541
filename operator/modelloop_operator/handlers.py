"""kopf as the shell: login and watch streams. Events fill the cache and mark their owner dirty; nothing else.

Only `on.event` handlers: kopf's other handlers write annotations and finalizers and are edge-triggered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import kopf

from modelloop_operator.cluster.cache import Cache, Key
from modelloop_operator.cluster.kinds import MLMODEL, Kind
from modelloop_operator.naming import MANAGED_BY_LABEL, MANAGER

_WATCH_SECONDS = 240
_IDLE_SECONDS = 0.5


def registry(cache: Cache, dirty: Callable[[Key], None], kinds: Iterable[Kind]) -> kopf.OperatorRegistry:
    """Handlers for MLModels and each kind of child."""
    handlers = kopf.OperatorRegistry()
    kopf.on.login(registry=handlers)(_login)
    kopf.on.startup(registry=handlers)(_configure)
    for kind in kinds:
        _watch(handlers, kind, cache, dirty)
    return handlers


def _watch(handlers: kopf.OperatorRegistry, kind: Kind, cache: Cache, dirty: Callable[[Key], None]) -> None:
    labels = None if kind == MLMODEL else {MANAGED_BY_LABEL: MANAGER}

    async def on_event(event: Any, **_: Any) -> None:
        key = absorb(cache, kind, event["type"], event["object"])
        if key is not None:
            dirty(key)

    kopf.on.event(kind.group, kind.version, kind.plural, id=f"watch-{kind.plural}", labels=labels, registry=handlers)(
        on_event
    )


def absorb(cache: Cache, kind: Kind, event: str | None, live: dict[str, Any]) -> Key | None:
    """Take one watch event into the cache; returns the MLModel that needs a pass because of it, if any."""
    if kind == MLMODEL:
        return cache.drop_model(live) if event == "DELETED" else cache.put_model(live)
    return cache.drop_child(kind, live) if event == "DELETED" else cache.put_child(kind, live)


async def _login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    # kopf's default would load the whole synchronous client for this: 40 MB.
    return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)


async def _configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    # kopf keeps a task and the last event of each object for this long: 5 s of a thousand objects' events by default.
    settings.queueing.idle_timeout = _IDLE_SECONDS
    settings.watching.server_timeout = _WATCH_SECONDS
    settings.watching.client_timeout = _WATCH_SECONDS + 30
    settings.networking.request_timeout = 30

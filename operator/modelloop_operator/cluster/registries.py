"""Opens a registry as an MLModel names it, with the keys that its Secret holds."""

from __future__ import annotations

from modelloop_core.api.spec import Registry as RegistryRef
from modelloop_core.registry import Registry
from modelloop_core.storage.open import open_store
from modelloop_operator.cluster.credentials import Keys


def open_registry(ref: RegistryRef, keys: Keys) -> Registry:
    """A registry as an MLModel names it; clients are shared below, so this is cheap."""
    store = open_store(
        ref.uri,
        endpoint=ref.endpoint,
        region=ref.region,
        ca_file=keys.ca_file,
        access_key=keys.access_key,
        secret_key=keys.secret_key,
        session_token=keys.session_token,
    )
    return Registry(store)

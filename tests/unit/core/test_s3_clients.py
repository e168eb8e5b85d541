"""What a store client costs: an operator holds one for each endpoint and credential."""

from __future__ import annotations

import tracemalloc

from modelloop_core.storage.s3 import S3Store

MOST_BYTES = 2 << 20


def test_another_client_does_not_load_the_description_of_s3_again() -> None:
    first, second = (
        S3Store("models", endpoint=f"http://127.0.0.1:{port}", access_key="a", secret_key="b") for port in (1, 2)
    )
    with first._attempt("read", "key"):
        pass
    tracemalloc.start()
    try:
        with second._attempt("read", "key"):
            pass
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < MOST_BYTES

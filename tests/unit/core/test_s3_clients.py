"""What a store client costs: an operator holds one for each endpoint and credential."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from modelloop_core.storage.s3 import S3Store
from modelloop_core.storage.s3_description import shared_description

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


def test_threads_that_begin_together_read_the_description_of_s3_once() -> None:
    description, ready = shared_description(), Barrier(4)

    def read() -> object:
        ready.wait(timeout=10)
        return description.load_service_model("s3", "service-2")

    with ThreadPoolExecutor(4) as threads:
        first, *others = [reading.result() for reading in [threads.submit(read) for _ in range(4)]]
    assert all(other is first for other in others)

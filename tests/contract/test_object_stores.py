"""One suite for both stores, and what only S3 can get wrong: credentials, buckets, silence."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from modelloop_core.storage import s3_multipart
from modelloop_core.storage.directory import DirectoryStore
from modelloop_core.storage.port import (
    AccessDenied,
    AlreadyExists,
    InvalidKey,
    NotFound,
    ObjectStore,
    StoreError,
    Unavailable,
)
from modelloop_core.storage.s3 import S3Store
from support.s3_server import ACCESS_KEY, SECRET_KEY, S3Server, free_port


def test_what_was_created_is_read_back(store: ObjectStore) -> None:
    store.create("versions/1.0.0/model.bin", b"\x00\x01weights")
    assert store.read("versions/1.0.0/model.bin") == b"\x00\x01weights"


def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    store.create("empty", b"")
    assert store.read("empty") == b""
    assert [(info.key, info.size) for info in store.list("")] == [("empty", 0)]


def test_an_absent_object_is_not_found(store: ObjectStore) -> None:
    store.create("a/b", b"1")
    for absent in ("nothing", "a", "a/c", "a/b/c"):
        with pytest.raises(NotFound):
            store.read(absent)
        with pytest.raises(NotFound):
            list(store.stream(absent))


def test_a_second_create_is_told_and_changes_nothing(store: ObjectStore) -> None:
    store.create("manifest.json", b"first")
    with pytest.raises(AlreadyExists, match=r"manifest\.json"):
        store.create("manifest.json", b"second")
    assert store.read("manifest.json") == b"first"


def test_a_file_is_created_from_its_path(store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "source.bin"
    source.write_bytes(b"x" * 3_000_000)
    store.create("model.bin", source)
    assert store.read("model.bin") == source.read_bytes()
    with pytest.raises(AlreadyExists):
        store.create("model.bin", source)


def test_a_path_that_is_not_there_writes_nothing(store: ObjectStore, tmp_path: Path) -> None:
    store.create("other", b"1")
    with pytest.raises(StoreError):
        store.create("model.bin", tmp_path / "absent")
    assert [info.key for info in store.list("")] == ["other"]


def test_a_stream_begins_where_it_is_asked_to(store: ObjectStore) -> None:
    body = bytes(range(256)) * 12_000
    store.create("long", body)
    assert b"".join(store.stream("long")) == body
    assert b"".join(store.stream("long", 2_000_001)) == body[2_000_001:]
    assert b"".join(store.stream("long", len(body))) == b""


def test_a_list_is_in_key_order_and_by_prefix(store: ObjectStore) -> None:
    keys = ["a-b/x", "a.b/x", "a/1", "a/10", "a/2", "a/b/c", "ab", "b/1"]
    for key in reversed(keys):
        store.create(key, key.encode())
    assert [info.key for info in store.list("")] == keys
    assert [info.key for info in store.list("a/")] == ["a/1", "a/10", "a/2", "a/b/c"]
    assert [info.key for info in store.list("a/1")] == ["a/1", "a/10"]
    assert [info.size for info in store.list("a/10")] == [4]
    assert list(store.list("c")) == []


def test_an_etag_changes_with_the_content(store: ObjectStore) -> None:
    store.create("k", b"one")
    (before,) = store.list("k")
    (again,) = store.list("k")
    store.delete("k")
    store.create("k", b"other")
    (after,) = store.list("k")
    assert before == again
    assert before.etag != after.etag


def test_folders_are_those_immediately_below(store: ObjectStore) -> None:
    for key in ("versions/1.0.0/a", "versions/1.0.0/sub/b", "versions/2.0.0/a", "versions/note", "history/x"):
        store.create(key, b"")
    assert store.folders("versions/") == ("1.0.0", "2.0.0")
    assert store.folders("") == ("history", "versions")
    assert store.folders("captures/") == ()
    store.delete("versions/2.0.0/a")
    assert store.folders("versions/") == ("1.0.0",)


def test_a_long_listing_is_complete(place: Any) -> None:
    place.store.create("k/00000", b"")
    for number in range(1, 1_203):
        (place.folder / "k" / f"{number:05}").write_bytes(b"")
        (place.folder / "f" / f"{number:05}").mkdir(parents=True)
        (place.folder / "f" / f"{number:05}" / "x").write_bytes(b"")
    assert [info.key for info in place.store.list("k/")] == [f"k/{number:05}" for number in range(1_203)]
    assert len(place.store.folders("f/")) == 1_202


def test_a_deleted_object_is_gone_and_deleting_twice_is_no_error(store: ObjectStore) -> None:
    store.create("a/b", b"1")
    store.delete("a/b")
    store.delete("a/b")
    with pytest.raises(NotFound):
        store.read("a/b")
    store.create("a/b", b"2")
    assert store.read("a/b") == b"2"


@pytest.mark.parametrize(
    "key", ["", "/a", "a//b", "a/", "../a", "a/../../b", "a/.", "a\\b", "a\nb", ".modelloop-x", "x" * 300]
)
def test_a_key_that_could_leave_the_root_is_refused(store: ObjectStore, key: str) -> None:
    for verb in (store.read, store.delete, lambda name: store.create(name, b"")):
        with pytest.raises(InvalidKey):
            verb(key)
    with pytest.raises(InvalidKey):
        list(store.list("../"))


def test_a_store_that_is_not_there_says_so(tmp_path: Path, s3_server: S3Server) -> None:
    absent = [
        DirectoryStore(tmp_path / "absent"),
        S3Store("no-such-bucket", endpoint=s3_server.endpoint, access_key=ACCESS_KEY, secret_key=SECRET_KEY),
    ]
    for store in absent:
        with pytest.raises(NotFound, match=r"there is no (folder|bucket)"):
            list(store.list(""))
    with pytest.raises(NotFound, match="there is no bucket 'no-such-bucket'"):
        absent[1].create("k", b"")


def test_of_many_writers_to_one_key_in_a_folder_exactly_one_wins(directory_place: Any) -> None:
    # Not for versitygw: it checks and writes in two steps. The registry does not depend on it, see test_registry.
    for attempt in range(20):
        bodies = [bytes([65 + writer]) * 100_000 for writer in range(6)]
        with ThreadPoolExecutor(6) as pool:
            won = list(pool.map(lambda body, key=f"k{attempt}": _try_create(directory_place.store, key, body), bodies))
        assert sum(won) == 1
        assert directory_place.store.read(f"k{attempt}") == bodies[won.index(True)]


def test_a_writer_that_dies_leaves_no_object(directory_place: Any, tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        directory_place.store.create("a/b", tmp_path / "absent")
    (directory_place.folder / "a").mkdir(exist_ok=True)
    (directory_place.folder / "a" / ".modelloop-0123").write_bytes(b"half of it")
    assert list(directory_place.store.list("")) == []
    assert directory_place.store.folders("") == ()


def test_a_link_does_not_lead_out_of_the_folder(directory_place: Any, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (directory_place.folder / "way-out").symlink_to(tmp_path)
    for verb in (directory_place.store.read, directory_place.store.delete):
        with pytest.raises(InvalidKey, match="leads out"):
            verb("way-out/secret")
    with pytest.raises(InvalidKey):
        directory_place.store.create("way-out/new", b"")
    assert list(directory_place.store.list("")) == []


def test_a_large_file_is_created_in_parts_and_only_once(
    s3_place: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_multipart, "PART_BYTES", 5 << 20)
    monkeypatch.setattr("modelloop_core.storage.s3.PART_BYTES", 5 << 20)
    source = tmp_path / "large"
    source.write_bytes(bytes(range(256)) * (12 << 12))
    s3_place.store.create("large", source)
    assert s3_place.store.read("large") == source.read_bytes()
    (info,) = s3_place.store.list("large")
    assert info.etag.endswith("-3")
    source.write_bytes(b"other" * (2 << 20))
    with pytest.raises(AlreadyExists):
        s3_place.store.create("large", source)
    assert s3_place.store.read("large")[:4] == b"\x00\x01\x02\x03"


@pytest.mark.parametrize(("access", "secret"), [("nobody", SECRET_KEY), (ACCESS_KEY, "wrong")])
def test_wrong_credentials_are_access_denied(s3_server: S3Server, access: str, secret: str) -> None:
    s3_server.folder.joinpath("locked").mkdir(exist_ok=True)
    store = S3Store("locked", endpoint=s3_server.endpoint, access_key=access, secret_key=secret)
    attempts = [
        lambda: store.read("k"),
        lambda: list(store.list("")),
        lambda: store.create("k", b""),
        lambda: store.folders(""),
        lambda: store.delete("k"),
    ]
    for attempt in attempts:
        with pytest.raises(AccessDenied, match="check the access key") as caught:
            attempt()
        assert secret not in str(caught.value)


def test_a_store_that_refuses_connections_is_unavailable() -> None:
    store = S3Store("b", endpoint=f"http://127.0.0.1:{free_port()}", access_key="a", secret_key="b")
    with pytest.raises(Unavailable, match="no connection"):
        store.read("k")


@pytest.fixture
def silent_endpoint() -> Iterator[str]:
    """A server that accepts connections, reads, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_store_that_stalls_is_unavailable_in_bounded_time(silent_endpoint: str) -> None:
    store = S3Store("b", endpoint=silent_endpoint, access_key="a", secret_key="b", read_seconds=0.3)
    for attempt in (lambda: store.read("k"), lambda: list(store.list("")), lambda: store.create("k", b"body")):
        started = time.monotonic()
        with pytest.raises(Unavailable, match="did not answer in time") as caught:
            attempt()
        assert time.monotonic() - started < 5
        assert caught.value.retriable


@pytest.fixture
def cutting_endpoint() -> Iterator[str]:
    """A server that promises 1,000 bytes, sends 10 and hangs up, whatever it is asked."""
    answer = b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: "x"\r\n\r\n0123456789'
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_an_answer_that_breaks_off_is_unavailable_not_short(cutting_endpoint: str) -> None:
    store = S3Store("b", endpoint=cutting_endpoint, access_key="a", secret_key="b", read_seconds=2)
    with pytest.raises(Unavailable):
        store.read("k")


class _LosesFirstAnswer(BaseHTTPRequestHandler):
    """Stores the first PUT and hangs up without an answer; every further PUT finds the key taken."""

    stored: bytes | None = None

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        assert self.headers["if-none-match"] == "*"
        if type(self).stored is None:
            type(self).stored = body
            self.close_connection = True
            return
        self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")

    def do_GET(self) -> None:
        self._answer(200, type(self).stored or b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def forgetful_endpoint() -> Iterator[str]:
    _LosesFirstAnswer.stored = None
    with ThreadingHTTPServer(("127.0.0.1", 0), _LosesFirstAnswer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_create_whose_answer_was_lost_is_not_taken_for_another_writers(forgetful_endpoint: str) -> None:
    store = S3Store("b", endpoint=forgetful_endpoint, access_key="a", secret_key="b", read_seconds=5)
    store.create("k", b"mine")
    with pytest.raises(AlreadyExists):
        store.create("k", b"other")
    with pytest.raises(AlreadyExists):
        store.create("k", b"mine")


def test_equal_endpoints_and_credentials_share_a_client(s3_server: S3Server) -> None:
    from modelloop_core.storage.s3 import _client

    _client.cache_clear()
    s3_server.folder.joinpath("shared").mkdir(exist_ok=True)
    for prefix in ("a", "b", "c"):
        shared = S3Store("shared", prefix, endpoint=s3_server.endpoint, access_key=ACCESS_KEY, secret_key=SECRET_KEY)
        shared.create("k", prefix.encode())
        assert [info.key for info in shared.list("")] == ["k"]
    assert _client.cache_info().currsize == 1


def _try_create(store: ObjectStore, key: str, body: bytes) -> bool:
    try:
        store.create(key, body)
    except AlreadyExists:
        return False
    return True

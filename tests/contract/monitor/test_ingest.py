"""Posts are counted exactly once on both databases, and what cannot be counted is refused with what to do."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from modelloop_core.drift.reference import digest_of
from modelloop_core.wire.profiles import MOST_BODY_BYTES
from modelloop_monitor.counts import Counted
from modelloop_monitor.store import inbox, traffic
from modelloop_monitor.store.errors import StoreBusy
from modelloop_monitor.store.schema import PREDICTIONS, SOURCES, WINDOWS
from support.monitors import DIGEST, NOON, REFERENCE, Running, example_post, example_reference, running

LOGGED = {"request_id": "r1", "entity": "u1", "at": NOON, "prediction": 0.75}


@pytest.fixture
def monitor(database: str) -> Iterator[Running]:
    with running(database) as found:
        assert found.put_reference().status_code == 204
        yield found


def _windows(monitor: Running) -> dict[tuple[str, int], int]:
    with monitor.monitor.store.reading() as connection:
        query = select(WINDOWS.c.version, WINDOWS.c.since, WINDOWS.c.rows)
        return {(row.version, row.since): row.rows for row in connection.execute(query)}


def _minutes(monitor: Running) -> list[Any]:
    with monitor.monitor.store.reading() as connection:
        return list(traffic.between(connection, "shop", "churn", since=0, until=2 * NOON))


def _applied(answer: Any) -> bool:
    assert answer.status_code == 200, answer.text
    return bool(answer.json()["applied"])


def test_a_post_reaches_its_window_its_minute_and_the_prediction_log(monitor: Running) -> None:
    assert _applied(monitor.post(example_post(0, NOON - 60, rows=7, predictions=[LOGGED])))
    assert monitor.fold() == 1
    assert _windows(monitor) == {("1.0.0", int(NOON) - 3600): 7}
    [(key, counts)] = _minutes(monitor)
    assert key.minute == NOON - 120
    assert (counts.requests, counts.errors, counts.latency[0]) == (7, {"DeadlineExceeded": 1}, 7)
    assert counts.outputs["prediction"][7] == 7
    with monitor.monitor.store.reading() as connection:
        row = connection.execute(select(PREDICTIONS)).one()
        held = Counted.unpack(connection.execute(select(WINDOWS.c.profile)).scalar_one())
    assert (row.request_id, row.row, row.version, row.entity, json.loads(row.prediction)) == (
        "r1",
        0,
        "1.0.0",
        "u1",
        0.75,
    )
    assert held.features["age"].profile.counts[3] == held.features["age"].profile.sums[3] == 7


def test_a_replayed_post_counts_once_before_and_after_folding(monitor: Running) -> None:
    assert _applied(monitor.post(example_post(0)))
    assert not _applied(monitor.post(example_post(0)))
    monitor.fold()
    assert not _applied(monitor.post(example_post(0)))
    monitor.fold()
    assert list(_windows(monitor).values()) == [10]


def test_reordered_posts_all_count_and_a_gap_is_known(monitor: Running) -> None:
    assert [_applied(monitor.post(example_post(number))) for number in (4, 0, 2, 1, 4, 2)] == [True] * 4 + [False] * 2
    monitor.fold()
    assert list(_windows(monitor).values()) == [40]
    with monitor.monitor.store.reading() as connection:
        row = connection.execute(select(SOURCES)).one()
    assert (row.following, json.loads(row.ahead), row.lost) == (3, [4], 0)


def test_two_epochs_of_one_source_do_not_stand_in_for_each_other(monitor: Running) -> None:
    assert _applied(monitor.post(example_post(0, epoch="1")))
    assert _applied(monitor.post(example_post(0, epoch="2")))
    assert not _applied(monitor.post(example_post(0, epoch="1")))
    monitor.fold()
    assert list(_windows(monitor).values()) == [20]


def test_late_counts_are_added_to_a_window_that_was_folded(monitor: Running) -> None:
    for number, at in enumerate((NOON - 7200 + 30, NOON, NOON - 7200 + 60)):
        assert _applied(monitor.post(example_post(number, at)))
        monitor.fold()
    assert _windows(monitor) == {("1.0.0", int(NOON) - 7200): 20, ("1.0.0", int(NOON) - 3600): 10}


def test_a_restart_finds_what_was_answered(database: str) -> None:
    with running(database) as first:
        first.put_reference()
        assert _applied(first.post(example_post(0)))
    with running(database) as second:
        assert not _applied(second.post(example_post(0)))
        assert _applied(second.post(example_post(1)))
        second.fold()
        assert list(_windows(second).values()) == [20]


def test_a_fold_that_another_process_did_first_changes_nothing(monitor: Running) -> None:
    monitor.post(example_post(0))
    with pytest.raises(StoreBusy, match="another process"), monitor.monitor.store.writing() as connection:
        inbox.remove(connection, [row[0] for row in inbox.oldest(connection, 10)] + [999])
    assert monitor.fold() == 1


def test_a_packed_body_is_read_and_may_not_grow_without_bound(monitor: Running) -> None:
    packed = gzip.compress(json.dumps(example_post(0)).encode())
    headers = {"content-encoding": "gzip"}
    assert monitor.client.post("/v1/profiles", content=packed, headers=headers).json() == {"applied": True}
    bomb = gzip.compress(b" " * (MOST_BODY_BYTES + 1))
    assert len(bomb) < 100_000
    refused = monitor.client.post("/v1/profiles", content=bomb, headers=headers)
    assert (refused.status_code, refused.json()["reason"]) == (413, "BodyTooLarge")
    for broken in (b"no gzip", packed[:-4], packed + b"more"):
        refused = monitor.client.post("/v1/profiles", content=broken, headers=headers)
        assert (refused.status_code, refused.json()["reason"]) == (400, "MalformedBody")


def test_fifty_megabytes_are_refused(monitor: Running) -> None:
    refused = monitor.client.post("/v1/profiles", content=b" " * (50 << 20))
    assert (refused.status_code, refused.json()["reason"]) == (413, "BodyTooLarge")


def test_an_unknown_reference_is_asked_for(monitor: Running) -> None:
    other = example_reference(seed=2)
    digest = digest_of(other.to_json())
    refused = monitor.post(example_post(0, reference=digest))
    assert refused.status_code == 428
    assert f"PUT /v1/references/{digest}" in refused.json()["detail"]
    assert monitor.put_reference(other.to_json(), digest).status_code == 204


def _wrong(field: str, value: Any, **changes: Any) -> dict[str, Any]:
    post = example_post(0, **changes)
    holder = post
    *path, last = field.split(".")
    for part in path:
        holder = holder[part]
    holder[last] = value
    return post


@pytest.mark.parametrize(
    ("document", "reason", "detail"),
    [
        pytest.param(_wrong("features.age.null", -1), "InvalidRequest", "features.age.null", id="negative count"),
        pytest.param(_wrong("features.age.counts", [1]), "WrongReference", "'age' has", id="other bins"),
        pytest.param(_wrong("features.age.sums", [1.0]), "WrongReference", "1 sums", id="other sums"),
        pytest.param(
            _wrong("features.height", {"counts": [1], "sums": ()}), "WrongReference", "height", id="no feature"
        ),
        pytest.param(_wrong("reference", None), "WrongReference", "no reference", id="counts without reference"),
        pytest.param(_wrong("features.age.null", 2**40 + 1), "InvalidRequest", "features.age.null", id="huge count"),
        pytest.param(
            _wrong("traffic.latency_sum", 1.1e12), "InvalidRequest", "traffic.latency_sum", id="thousands of years"
        ),
        pytest.param(
            _wrong("predictions", [{**LOGGED, "row": 2**31}]), "InvalidRequest", "predictions.0.row", id="huge row"
        ),
        pytest.param(_wrong("sequence", 2**60), "InvalidRequest", "sequence", id="huge sequence"),
        pytest.param(_wrong("namespace", "a b"), "InvalidRequest", "namespace 'a b'", id="odd namespace"),
        pytest.param(_wrong("source", "\0"), "InvalidRequest", "NUL", id="NUL"),
        pytest.param(_wrong("surprise", 1), "InvalidRequest", "surprise", id="unknown field"),
        pytest.param(example_post(0, NOON + 601), "WrongTime", "601 s from now", id="from the future"),
        pytest.param(example_post(0, NOON - 90_000), "WrongTime", "s ago", id="from long ago"),
        pytest.param(
            _wrong("since", datetime.fromtimestamp(NOON + 9, UTC).isoformat()),
            "WrongTime",
            "after until",
            id="ends first",
        ),
    ],
)
def test_what_cannot_be_counted_is_refused_by_name(
    monitor: Running, document: dict[str, Any], reason: str, detail: str
) -> None:
    refused = monitor.post(document)
    assert (refused.status_code, refused.json()["reason"]) == (422, reason)
    assert detail in refused.json()["detail"]
    assert refused.headers["content-type"] == "application/problem+json"
    assert _applied(monitor.post(example_post(0)))


def test_a_clock_that_is_minutes_ahead_is_tolerated_and_said(monitor: Running) -> None:
    assert _applied(monitor.post(example_post(0, NOON + 300)))
    monitor.fold()
    assert _windows(monitor) == {("1.0.0", int(NOON) - 3600): 10}
    assert "modelloop_monitor_posts_ahead_total 1.0" in monitor.client.get("/metrics").text
    with monitor.monitor.store.reading() as connection:
        assert connection.execute(select(func.max(SOURCES.c.clock_ahead))).scalar_one() == 300


@pytest.mark.parametrize(
    ("body", "digest", "status"),
    [
        (REFERENCE, "0" * 64, 422),
        (b"{}", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", 422),
        (REFERENCE, "no-digest", 422),
        (REFERENCE, DIGEST, 204),
    ],
)
def test_a_reference_is_its_bytes(monitor: Running, body: bytes, digest: str, status: int) -> None:
    assert monitor.put_reference(body, digest).status_code == status


def test_a_body_that_is_no_json_is_told_so(monitor: Running) -> None:
    for body in (b"", b"{", b"\xff\xfe", b"[]"):
        assert monitor.client.post("/v1/profiles", content=body).status_code in (400, 422)


def test_large_references_are_not_all_kept_in_memory(tmp_path: Path) -> None:
    with running(f"sqlite:///{tmp_path / 'm.db'}") as monitor:
        documents = [REFERENCE + b" " * ((9 << 20) + place) for place in range(5)]
        for document in documents:
            assert monitor.put_reference(document, digest_of(document)).status_code == 204
        assert monitor.monitor.references.kept == 3
        post = example_post(0, reference=digest_of(documents[0]))
        assert monitor.post(post).status_code == 200, "it is read again"

from __future__ import annotations

from modelloop_predictor.telemetry.deltas import Post
from modelloop_predictor.telemetry.monitor import Reply, Verdict
from modelloop_predictor.telemetry.outbox import Outbox


class Said:
    """A monitor that says what it was told to, and keeps what it was given."""

    def __init__(self, *verdicts: Verdict, reference: Verdict = Verdict.TAKEN) -> None:
        self._verdicts = list(verdicts)
        self._reference = reference
        self.given: list[str] = []

    def post(self, body: bytes) -> Reply:
        self.given.append(body.decode())
        return Reply(self._verdicts.pop(0), "said")

    def put_reference(self, digest: str, body: bytes) -> Reply:
        self.given.append(f"{digest}={body.decode()}")
        return Reply(self._reference, "said")


def emptied(monitor: Said, *posts: str) -> Outbox:
    """An outbox that is asked to end and posts what it can."""
    outbox = Outbox(monitor, ("digest", b"bins"))
    for post in posts:
        outbox.put(Post(post.encode(), 7))
    outbox.close()
    outbox.run()
    return outbox


def test_posts_go_in_order() -> None:
    monitor = Said(Verdict.TAKEN, Verdict.TAKEN)
    assert emptied(monitor, "first", "second").waiting == 0
    assert monitor.given == ["first", "second"]


def test_the_reference_goes_before_the_same_post_again() -> None:
    monitor = Said(Verdict.WANTS_REFERENCE, Verdict.TAKEN)
    assert emptied(monitor, "first").waiting == 0
    assert monitor.given == ["first", "digest=bins", "first"]


def test_a_reference_that_is_not_taken_leaves_the_post_where_it_is() -> None:
    assert emptied(Said(Verdict.WANTS_REFERENCE, reference=Verdict.AGAIN), "first").waiting == 1


def test_a_post_of_unknown_fate_is_kept() -> None:
    outbox = emptied(Said(Verdict.AGAIN), "first", "second")
    assert (outbox.waiting, outbox.refused_rows) == (2, 0)


def test_a_bad_post_makes_way_for_the_next() -> None:
    monitor = Said(Verdict.REFUSED, Verdict.TAKEN)
    outbox = emptied(monitor, "first", "second")
    assert (outbox.waiting, outbox.refused_rows) == (0, 7)
    assert monitor.given == ["first", "second"]


def test_it_is_full_after_sixteen_posts_or_sixteen_megabytes() -> None:
    many, large = Outbox(Said(), None), Outbox(Said(), None)
    for number in range(16):
        assert not many.full, number
        many.put(Post(b"small", 1))
    assert many.full
    large.put(Post(b"x" * (16 << 20), 1))
    assert large.full
